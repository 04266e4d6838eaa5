/** `latest`: a symbolic link to the newest backup, for people. Holdfast never opens a backup through this link. */
import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { within } from '../system/held-directory.ts';

const prefix = '.latest';

/**
 * Points `latest` to `backup`, the name of a backup.
 * @throws an error of the file system, which may not support symbolic links; no temporary file is left then
 */
export function nameLatest(clusterDirectory: string, backup: string): Promise<void> {
  return within(clusterDirectory, (at) => nameIn(at, backup));
}

async function nameIn(clusterDirectory: string, backup: string): Promise<void> {
  const temporary = join(clusterDirectory, temporaryName(prefix));
  try {
    await removeTemporaries(clusterDirectory, prefix);
    await symlink(join('backups', backup), temporary);
    await rename(temporary, join(clusterDirectory, 'latest'));
    await fsyncDirectory(clusterDirectory);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
