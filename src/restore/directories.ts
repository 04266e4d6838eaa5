/**
 * Sets owner and mode of extracted directories. The extraction threads create directories with access for the
 * current user only.
 */
import { chmod, chown, mkdir } from 'node:fs/promises';
import type { FileOwnership } from '../recovery/owned-files.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { ExtractionOutcome } from '../extraction/extract.ts';
import { directoryMode } from '../extraction/modes.ts';

/**
 * Sets owner and mode of the directories below the roots. `roots` maps a tar to the directory of its files,
 * which the tar does not name.
 */
export async function finishDirectories(
  directories: ExtractionOutcome['directories'],
  roots: Record<string, string>,
  { owner }: FileOwnership,
): Promise<void> {
  // A tar of an empty tablespace has no files, so the extraction has not created the directory.
  for (const root of Object.values(roots))
    await mkdir(bytePathBelow(root, ''), { recursive: true, mode: 0o700 });
  for (const { tar, path, header } of directories) {
    const directory = bytePathBelow(roots[tar] ?? '', path);
    if (owner !== undefined) await chown(directory, owner.uid, owner.gid);
    await chmod(directory, directoryMode(header.mode));
  }
}

/**
 * Gives the root directories to the owner of the cluster. This is the last step: other users may have access
 * from then on, so nothing is written to the directories any more.
 */
export async function handOver(
  roots: Record<string, string>,
  { owner, directoryMode: mode }: FileOwnership,
): Promise<void> {
  for (const root of Object.values(roots).toReversed()) {
    await chmod(bytePathBelow(root, ''), mode);
    if (owner !== undefined) await chown(bytePathBelow(root, ''), owner.uid, owner.gid);
  }
}
