/** Checks whether a drill directory is safe: other users must not be able to replace the files of a drill. */
import { constants, type Stats } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { HoldfastError, messageOf } from '../errors.ts';
import { shellWord } from '../recovery/recovery-commands.ts';
import { isFull } from '../repository/repository-errors.ts';
import { rootAloneWrites } from './root-alone.ts';

const everybodyWrites = 0o002;
const sticky = 0o1000;

/**
 * Refuses a drill directory that cannot be written to, or that is not safe.
 * @throws HoldfastError `drill_directory_unusable`
 */
export async function refuseUnsafeDirectory(directory: string): Promise<void> {
  const { mode } = await usable(directory).catch((error: unknown) => {
    throw unusable(directory, messageOf(error), howToUse(directory, error));
  });
  if (process.getuid?.() === 0) {
    if (await rootAloneWrites(await realpath(directory))) return;
    const hint =
      'run the drill as its owner, or give a directory that only root can write, as those above it';
    throw unusable(directory, 'others than root could put something in place of what root makes there', hint);
  }
  if ((mode & everybodyWrites) === 0 || (mode & sticky) !== 0) return;
  throw unusable(
    directory,
    'everybody can move and remove what is in it',
    'take that right away with chmod o-w, or give it chmod +t',
  );
}

async function usable(directory: string): Promise<Stats> {
  await access(directory, constants.W_OK | constants.X_OK);
  return stat(directory);
}

/**
 * A hint for a drill directory that cannot be used. The hint does not suggest changing owner or mode of an
 * existing directory, because other users may depend on the directory.
 */
export function howToUse(directory: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT')
    return `make it as root, for the user that runs drills: install -d -m 700 -o USER ${shellWord(directory)}`;
  const another = 'name another directory with --directory or drill_directory';
  if (isFull(code)) return `make room there, or ${another}`;
  return `run the drill as a user that can write there, or ${another}`;
}

function unusable(directory: string, reason: string, hint: string): HoldfastError {
  return new HoldfastError('failed', `the drill directory "${directory}" cannot be used: ${reason}`, {
    code: 'drill_directory_unusable',
    hint,
  });
}
