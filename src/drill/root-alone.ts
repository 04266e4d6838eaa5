/** Whether root alone can decide what a program does: nobody else can write it, or put another one in its place. */
import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

const othersMayWrite = 0o022;
const sticky = 0o1000;

/** `path`: without links, as realpath(3) has it. */
export async function rootAloneWrites(path: string): Promise<boolean> {
  const { uid, mode } = await lstat(path);
  if (uid !== 0) return false;
  // In a sticky directory nobody moves what is root's, which it is, as that was looked at first.
  if ((mode & othersMayWrite) !== 0 && (mode & sticky) === 0) return false;
  const above = dirname(path);
  return above === path || rootAloneWrites(above);
}

/** What is really run; undefined: not there, or not root's alone. */
export async function rootsProgram(path: string): Promise<string | undefined> {
  try {
    const real = await realpath(path);
    return (await rootAloneWrites(real)) ? real : undefined;
  } catch {
    return undefined;
  }
}
