/** Whether a repository that was named can be one: a copy makes what is missing, where it may. */
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { userName } from '../system/users.ts';

/** @throws HoldfastError `no_repository`, `repository_unwritable` */
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

export function howToMake(repository: string): string {
  return `is it mounted? For a new one type as root: install -d -m 700 -o ${us()} '${repository}', and then: holdfast install --repository '${repository}'`;
}

/** Itself, or the directory in which what is missing would be made. */
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
