/** Places pg_wal outside of the data directory, behind a symbolic link, as initdb --waldir does. */
import { chmod, chown, lchown, lstat, mkdir, readdir, rmdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import type { FileOwnership } from '../recovery/owned-files.ts';

/**
 * Replaces pg_wal by a symbolic link. `written` is the path under which the WAL directory is written;
 * `location` is the target of the link.
 * @throws HoldfastError `directory_unwritable`
 */
export async function linkWal(
  directory: string,
  { written, location }: { written: string; location: string },
  owned: FileOwnership,
): Promise<void> {
  const link = join(directory, 'pg_wal');
  try {
    // pg_wal of a base backup contains empty directories only.
    for (const name of await readdir(link)) {
      const { mode } = await lstat(join(link, name));
      await rmdir(join(link, name));
      const made = join(written, name);
      await mkdir(made);
      if (owned.owner !== undefined) await chown(made, owned.owner.uid, owned.owner.gid);
      await chmod(made, mode & 0o777);
    }
    await rmdir(link);
    await symlink(location, link);
    if (owned.owner !== undefined) await lchown(link, owned.owner.uid, owned.owner.gid);
  } catch (error) {
    throw new HoldfastError(
      'failed',
      `pg_wal cannot be made a symbolic link to "${location}": ${messageOf(error)}`,
      {
        code: 'directory_unwritable',
        hint: 'restore without --wal-directory, or to a file system that has symbolic links',
        cause: error,
      },
    );
  }
}
