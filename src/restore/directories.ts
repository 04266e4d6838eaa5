/** The directories of what was extracted, as they were: threads make them as they need them, for us alone. */
import { chmod, chown, mkdir } from 'node:fs/promises';
import type { Owned } from './data-files.ts';
import { bytePath } from './extraction/byte-path.ts';
import type { Outcome } from './extraction/extract.ts';
import { ownersIfRoot } from './extraction/owners.ts';

/** `roots`: where each tar went, which its members do not say; they belong to whom the files belong to. */
export async function finishDirectories(
  directories: Outcome['directories'],
  roots: Record<string, string>,
  { owner, directoryMode }: Owned,
): Promise<void> {
  const owners = ownersIfRoot();
  for (const root of Object.values(roots)) {
    // An empty tablespace had nothing to extract.
    await mkdir(bytePath(root, ''), { recursive: true, mode: directoryMode });
    if (owner !== undefined) await chown(bytePath(root, ''), owner.uid, owner.gid);
    await chmod(bytePath(root, ''), directoryMode);
  }
  for (const { tar, path, header } of directories) {
    const directory = bytePath(roots[tar] ?? '', path);
    if (owners !== undefined) await chown(directory, ...owners.of(header));
    await chmod(directory, header.mode);
  }
}
