/** `latest`: a link to the newest backup, for people. Nothing of Holdfast reads it. */
import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaries, temporaryName } from '../system/temporary-files.ts';
import { fsyncDirectory } from '../system/durable-files.ts';
import { within } from '../system/held-directory.ts';

const prefix = '.latest';

/** @throws an error of the file system, which may have no symbolic links; nothing is left of the attempt */
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
