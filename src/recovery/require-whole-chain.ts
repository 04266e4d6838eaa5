/**
 * Refuses to restore the newest backup for a target where a copy before it is missing. No older backup takes its place
 * unasked: without all WAL since then, the restored cluster would be older than the user expects.
 */
import { HoldfastError } from '../errors.ts';
import { BackupChains, linkName, saidOfBroken } from '../repository/backup-chain.ts';
import type { Catalog, StoredBackup } from '../repository/catalog.ts';

/**
 * Checks the chain of the selected backup. `among`: selects the backup for the same target among some of the backups;
 * throws a HoldfastError where none of them can reach the target.
 * @throws HoldfastError `backup_chain_broken`, which names the link, and the newest backup that can be restored
 */
export function requireWholeChain(
  backup: StoredBackup,
  catalog: Catalog,
  among: (backups: readonly StoredBackup[]) => StoredBackup,
): void {
  const chains = new BackupChains(catalog);
  const { broken } = chains.of(backup);
  if (broken === undefined) return;
  const whole = catalog.backups.filter((one) => chains.of(one).broken === undefined);
  const other = selected(whole, among);
  const instead =
    other === undefined
      ? ': no other backup reaches this target'
      : `, or type "holdfast restore ${other.description.id}" for the newest backup that can be restored, ${linkName(other)}`;
  throw new HoldfastError('failed', saidOfBroken(linkName(backup), broken), {
    code: 'backup_chain_broken',
    hint: `put backup ${broken.name} back${instead}`,
  });
}

function selected(
  whole: readonly StoredBackup[],
  among: (backups: readonly StoredBackup[]) => StoredBackup,
): StoredBackup | undefined {
  try {
    return among(whole);
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'no_backup_for_target') return undefined;
    throw error;
  }
}
