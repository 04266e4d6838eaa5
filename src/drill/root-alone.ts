/** Checks whether only root can change a program, or replace the program by another. */
import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

const othersMayWrite = 0o022;
const sticky = 0o1000;

/**
 * Whether only root can write `path` and all directories above. `path` contains no symbolic links
 * (realpath(3)).
 */
export async function rootAloneWrites(path: string): Promise<boolean> {
  const { uid, mode } = await lstat(path);
  if (uid !== 0) return false;
  // In a sticky directory, only root can rename or remove a file of root. The caller has already checked that
  // root owns the file in this directory.
  if ((mode & othersMayWrite) !== 0 && (mode & sticky) === 0) return false;
  const above = dirname(path);
  return above === path || rootAloneWrites(above);
}

/**
 * The path of the program with symbolic links resolved; undefined if the program does not exist, or if other
 * users can change the program.
 */
export async function rootsProgram(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    return (await rootAloneWrites(real)) ? real : undefined;
  } catch {
    return undefined;
  }
}
