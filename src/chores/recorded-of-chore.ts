/** What the request that a chore names has recorded of its backup. */
import type { BegunChore } from '../control/chore-rows.ts';
import { HoldfastError } from '../errors.ts';
import type { RecordedBackup } from '../repository/recorded-backup.ts';

/**
 * Returns what the request has recorded; undefined: the chore names no request.
 * @throws HoldfastError `no_such_backup` where the request has been pruned since
 */
export function recordedOfChore({
  requestId,
  recorded,
}: Pick<BegunChore, 'requestId' | 'recorded'>): RecordedBackup | undefined {
  if (requestId === null) return undefined;
  if (recorded !== null) return recorded;
  throw new HoldfastError('failed', `backup request ${requestId} is no longer in the control database`, {
    code: 'no_such_backup',
    hint: 'request the chore with the name of the backup: "holdfast restore --list" shows the names',
  });
}
