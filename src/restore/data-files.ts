/** Files that are added to what was extracted: they belong to whom PostgreSQL's own files belong to. */
import { open, stat } from 'node:fs/promises';

export interface Owned {
  /** undefined: ourselves. */
  owner: { uid: number; gid: number } | undefined;
  fileMode: number;
  directoryMode: number;
}

/** As a file of PostgreSQL's has it; its group may read all or nothing. */
export async function ownershipOf(file: string): Promise<Owned> {
  const { uid, gid, mode } = await stat(file);
  const group = (mode & 0o040) !== 0;
  return {
    owner: process.getuid?.() === 0 ? { uid, gid } : undefined,
    fileMode: group ? 0o640 : 0o600,
    directoryMode: group ? 0o750 : 0o700,
  };
}

/** The whole file, in place of whatever it was before. */
export async function writeOwned(
  path: string,
  content: Buffer | AsyncIterable<Buffer>,
  { owner, fileMode }: Owned,
  { sync = false } = {},
): Promise<void> {
  const file = await open(path, 'w', fileMode);
  try {
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    await file.chmod(fileMode);
    await file.writeFile(content);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}
