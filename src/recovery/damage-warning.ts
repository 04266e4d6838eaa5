/** Warns of a backup with pages that were damaged on the server when they were copied. Pure. */
import { plain } from '../plain.ts';
import { entryName } from '../repository/backup-name.ts';
import type { DamagedPage, RepositoryBackup } from '../repository/repository-backup.ts';

type Candidate = Pick<RepositoryBackup, 'id' | 'startedAt' | 'damagedPages'>;

/** Pages that a warning names. */
const named = 10;

/**
 * Returns a warning that names the damaged pages of the backup; undefined if there are none. `instead`: a backup without
 * damaged pages for the same target; undefined if there is none.
 */
export function damageWarning(backup: Candidate, instead: Candidate | undefined): string | undefined {
  const { damagedPages } = backup;
  if (damagedPages.length === 0) return undefined;
  const pages = damagedPages
    .slice(0, named)
    .map(({ file, block }: DamagedPage) => `block ${block} of "${plain(file)}"`);
  const more = damagedPages.length > named ? `, and ${damagedPages.length - named} more` : '';
  const which =
    instead === undefined
      ? 'no backup without damaged pages leads to this target'
      : `type "holdfast restore ${instead.id}" for ${entryName(instead)}, which has none`;
  return `pages of ${entryName(backup)} were damaged when they were copied: ${pages.join(', ')}${more}; ${which}`;
}
