/**
 * The name of a backup, `<UTC start>-<id>`: of its directory in the repository, and of its entry in the label
 * directory. Pure.
 */

const name = String.raw`\d{8}T\d{6}Z-(\d+)`;
const ofBackup = new RegExp(`^${name}$`);
const ofEntry = new RegExp(`^${name}(?:\\.\\d+)?$`);
const withSuffix = new RegExp(`^(${name})((?:\\.[a-z]+)*)$`);

/** Returns the name. writeLabelEntry() appends a number where an entry of this name exists. */
export function entryName({ startedAt, id }: { startedAt: string; id: number }): string {
  return `${startedAt.replace(/[-:]|\.\d+/g, '')}-${id}`;
}

/** Whether `text` is the name of an entry with the request's `id`. */
export function isEntryOf(text: string, id: number): boolean {
  const [, entryId] = ofEntry.exec(text) ?? [];
  return entryId !== undefined && Number(entryId) === id;
}

/** Returns the id of the request in the name of a backup; undefined where `text` is not such a name. */
export function backupIdIn(text: string): number | undefined {
  const [, id] = ofBackup.exec(text) ?? [];
  return id === undefined ? undefined : Number(id);
}

/** Whether `text` is the name of a backup. */
export function isBackupName(text: string): boolean {
  return ofBackup.test(text);
}

/**
 * Splits a name in the directory of the backups: `20261128T120000Z-7.meta.expired` is `.meta.expired` of a backup.
 * Returns undefined where `text` belongs to no backup.
 */
export function splitBackupName(text: string): { backup: string; suffix: string } | undefined {
  const [, backup, , suffix] = withSuffix.exec(text) ?? [];
  return backup === undefined || suffix === undefined ? undefined : { backup, suffix };
}
