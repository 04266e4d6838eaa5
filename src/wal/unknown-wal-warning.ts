/**
 * The warning where WAL is archived in a format that this release of Holdfast does not know. The server must get its
 * WAL archived, so a push does not fail; but what is archived cannot be verified or restored until Holdfast is
 * replaced. Each data directory is warned once for each format:
 *
 *   pg_wal/pgsql_tmp.holdfast.push/warned-<hash>   contains the format of which was warned
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isOwnDirectory, pushDirectory } from './our-directories.ts';

/** A warning for the log. */
export interface UnknownWalWarning {
  code: 'unsupported_version';
  message: string;
  hint: string;
}

/**
 * Returns the warning for the archived file `path`, and records that it was returned; undefined where it was returned
 * before. `problem`: the message of the UnknownFormatError. A push by hand, which must not write in the server's
 * directories, gets the warning each time.
 */
export async function unknownWalWarning(
  path: string,
  problem: string,
): Promise<UnknownWalWarning | undefined> {
  if (!(await isFirst(dirname(path), problem))) return undefined;
  return {
    code: 'unsupported_version',
    message: `"${path}" is archived, but this release of Holdfast can neither verify nor restore it: ${problem}`,
    hint: 'use a release of Holdfast that knows this version of PostgreSQL; this warning comes once',
  };
}

async function isFirst(walDirectory: string, problem: string): Promise<boolean> {
  try {
    if (!existsSync(join(walDirectory, 'archive_status')) || !(await isOwnDirectory(walDirectory)))
      return true;
    const directory = pushDirectory(walDirectory);
    await mkdir(directory, { mode: 0o700, recursive: true });
    const hash = createHash('sha256').update(problem).digest('hex').slice(0, 16);
    await writeFile(join(directory, `warned-${hash}`), `${problem}\n`, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EEXIST';
  }
}
