/**
 * Detects backups of another control database in the repository. A restored copy of the control database may
 * have written these backups, and then the newest backup may not be the one that the user expects. Pure.
 */
import { HoldfastError } from '../errors.ts';
import { isSameOrigin } from '../repository/control-origin.ts';
import type { RepositoryOwner } from '../repository/repository-owner.ts';

interface Made {
  id: number;
  startedAt: string;
  /** The origin of the control database; undefined if an older release wrote the backup. */
  controlOrigin?: string;
}

/**
 * Refuses a backup that was chosen as the newest while a second control database was writing to the
 * repository. `chosen` is a backup that the user did not name.
 * @throws HoldfastError `backup_of_other_origin` naming both backups
 */
export function refuseStranger<T extends Made>(
  chosen: T,
  backups: readonly T[],
  owner: RepositoryOwner | undefined,
): void {
  const { controlOrigin } = chosen;
  if (controlOrigin === undefined) return;
  const others = backups
    .filter(
      (backup) => backup.controlOrigin !== undefined && !isSameOrigin(backup.controlOrigin, controlOrigin),
    )
    .toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  const other = others.at(-1);
  if (other === undefined || !isDoubtful(chosen, other, backups, owner)) return;
  const describe = ({ id, startedAt, controlOrigin: origin }: Made) =>
    `${id} (${startedAt}, origin ${origin})`;
  throw new HoldfastError(
    'failed',
    `the newest backups are of two control databases: ${describe(chosen)} and ${describe(other)}`,
    {
      code: 'backup_of_other_origin',
      hint: `name the one that you mean: "holdfast restore ${chosen.id} --to DIR" or "holdfast restore ${other.id} --to DIR"`,
    },
  );
}

/** Two control databases in charge one after the other are normal; two at the same time are not. */
function isDoubtful<T extends Made>(
  chosen: T,
  other: T,
  backups: readonly T[],
  owner: RepositoryOwner | undefined,
): boolean {
  if (isSameOrigin(owner?.controlOrigin, chosen.controlOrigin)) return false;
  const since = owner?.since ?? null;
  if (since !== null) return Date.parse(chosen.startedAt) > Date.parse(since);
  return backups.some(
    ({ controlOrigin, startedAt }) =>
      isSameOrigin(controlOrigin, chosen.controlOrigin) &&
      Date.parse(startedAt) < Date.parse(other.startedAt),
  );
}
