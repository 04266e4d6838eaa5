/** `latest`: a link to the newest backup, for people. Nothing of Holdfast reads it. */
import { randomUUID } from 'node:crypto';
import { rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from './durable-files.ts';

/** @throws an error of the file system, which may have no symbolic links; nothing is left of the attempt */
export async function nameLatest(clusterDirectory: string, backup: string): Promise<void> {
  const temporary = join(clusterDirectory, `.latest-${randomUUID()}`);
  try {
    await symlink(join('backups', backup), temporary);
    await rename(temporary, join(clusterDirectory, 'latest'));
    await syncDirectory(clusterDirectory);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
