/** The directories of what was extracted, as they were: threads make them as they need them, for us alone. */
import { chmod, chown, mkdir } from 'node:fs/promises';
import type { FileOwnership } from '../recovery/owned-files.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { ExtractionOutcome } from '../extraction/extract.ts';
import { directoryMode } from '../extraction/modes.ts';

/** `roots`: where each tar went, which its members do not say. */
export async function finishDirectories(
  directories: ExtractionOutcome['directories'],
  roots: Record<string, string>,
  { owner }: FileOwnership,
): Promise<void> {
  // An empty tablespace had nothing to extract.
  for (const root of Object.values(roots))
    await mkdir(bytePathBelow(root, ''), { recursive: true, mode: 0o700 });
  for (const { tar, path, header } of directories) {
    const directory = bytePathBelow(roots[tar] ?? '', path);
    if (owner !== undefined) await chown(directory, owner.uid, owner.gid);
    await chmod(directory, directoryMode(header.mode));
  }
}

/** The last step, after which others than we may get in: nothing is written there any more. */
export async function handOver(
  roots: Record<string, string>,
  { owner, directoryMode: mode }: FileOwnership,
): Promise<void> {
  for (const root of Object.values(roots).toReversed()) {
    await chmod(bytePathBelow(root, ''), mode);
    if (owner !== undefined) await chown(bytePathBelow(root, ''), owner.uid, owner.gid);
  }
}
