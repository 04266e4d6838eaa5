/** Checks that a configured repository can be used. A backup creates missing directories where permissions allow. */
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { userName } from '../system/users.ts';

/**
 * Checks that `repository`, or the directory in which it would be created, can be written.
 * @throws HoldfastError `no_repository`, `repository_unwritable`
 */
export async function requireUsable(repository: string): Promise<void> {
  const isThere = await access(repository).then(
    () => true,
    () => false,
  );
  try {
    await access(await firstThere(repository), constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const what = isThere ? 'cannot be written' : 'is not there and cannot be made';
    throw new HoldfastError('failed', `"${repository}" ${what}: ${messageOf(error)}`, {
      code: isThere ? 'repository_unwritable' : 'no_repository',
      hint: isThere ? `type as root: chown -R ${us()} '${repository}'` : howToMake(repository),
    });
  }
}

/** The hint for a repository that does not exist. */
export function howToMake(repository: string): string {
  return `mount the repository; or for a new one type as root: install -d -m 700 -o ${us()} '${repository}', and then: holdfast install --repository '${repository}'`;
}

/** Returns `path`, or the nearest directory above that exists. */
async function firstThere(path: string): Promise<string> {
  try {
    await access(path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return firstThere(dirname(path));
  }
}

function us(): string {
  return userName(process.getuid?.() ?? 0);
}
