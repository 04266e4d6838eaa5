/** `latest`: a link to the newest backup, for people. Nothing of Holdfast reads it. */
import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTemporaries, temporaryName } from '../identity/temporary.ts';
import { syncDirectory } from './durable-files.ts';

const prefix = '.latest';

/** @throws an error of the file system, which may have no symbolic links; nothing is left of the attempt */
export async function nameLatest(clusterDirectory: string, backup: string): Promise<void> {
  const temporary = join(clusterDirectory, temporaryName(prefix));
  try {
    await removeTemporaries(clusterDirectory, prefix);
    await symlink(join('backups', backup), temporary);
    await rename(temporary, join(clusterDirectory, 'latest'));
    await syncDirectory(clusterDirectory);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
