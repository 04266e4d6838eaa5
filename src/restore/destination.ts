/**
 * Checks the directories that a restore writes to: each has to be empty or missing. During a restore, the
 * data directory contains a note and no pg_control, so that no server starts on the directory.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { fsyncDirectory, writeSynced } from '../system/durable-files.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import { isBelowPath, realPathOf } from '../system/real-path.ts';
import { serverAround } from './server-around.ts';
import { tablespaceOverlaps } from '../recovery/tablespace-placement.ts';
import { unwritableHint } from './take-directory.ts';
import { refuseWalDirectory } from './wal-directory.ts';
import { readSmallFile } from '../system/small-file.ts';

/** The name of the note in a data directory whose restore is not finished. */
export const noteName = 'holdfast-restore-unfinished';

/** The directories of a restore. */
export interface Destination {
  /** The new data directory, absolute. */
  directory: string;
  /** Tablespaces outside of the data directory; a location has one character per byte. */
  tablespaces: readonly { oid: string; location: string }[];
  /** The directory for pg_wal, absolute; undefined: in the data directory. */
  walDirectory?: string | undefined;
}

/**
 * Refuses directories that cannot be restored to. Changes nothing. `uid` is the owner that the restored files
 * get; undefined: the user of this process.
 * @throws HoldfastError `directory_not_empty`, `directory_of_server`, `tablespace_overlaps`,
 * `wal_directory_overlaps`, `directory_unwritable`
 */
export async function refuseDestination(
  { directory, tablespaces, walDirectory }: Destination,
  uid: number | undefined,
): Promise<void> {
  const locations = tablespaces.map(({ location }) => bytePathBelow(location, '').toString());
  await refuseOverlaps(directory, tablespaces);
  if (walDirectory !== undefined)
    await refuseWalDirectory({ walDirectory, others: [directory, ...locations], uid });
  await refuseFull(
    Buffer.from(directory),
    directory,
    'restore into a new or an empty directory: nothing is ever overwritten',
    `restore to a directory below that one, as initdb asks for: --to ${join(directory, 'data')}`,
  );
  for (const { oid, location } of tablespaces)
    await refuseFull(
      bytePathBelow(location, ''),
      directory,
      `tablespace ${oid} would go there: say where with --tablespace ${oid}=DIR`,
    );
  if (walDirectory === undefined) return;
  await refuseFull(
    Buffer.from(walDirectory),
    directory,
    'give --wal-directory a new or an empty directory',
    `use a directory below that one, as initdb asks for: --wal-directory ${join(walDirectory, 'pg_wal')}`,
  );
}

/**
 * Refuses directories inside of the repository, which holds backups and WAL only.
 * @throws HoldfastError `in_the_repository`
 */
export async function refuseInRepository(
  directories: readonly (string | undefined)[],
  repository: string,
): Promise<void> {
  const place = await realPathOf(repository);
  for (const directory of directories) {
    if (directory === undefined || !isBelowPath(await realPathOf(directory), place)) continue;
    throw new HoldfastError('usage', `"${directory}" is in the repository "${repository}"`, {
      code: 'in_the_repository',
      hint: 'give a directory outside of it, such as --to /var/lib/postgresql/VERSION/restored',
    });
  }
}

/**
 * Refuses overlapping directories, and directories inside of another server's. Paths are compared after
 * symbolic links are resolved. Otherwise the files of two tablespaces, or of two servers, would be mixed.
 */
async function refuseOverlaps(directory: string, tablespaces: Destination['tablespaces']): Promise<void> {
  const data = await realPathOf(directory);
  refuseWithin(directory, data, 'give --to a directory apart from it');
  const seen = [{ what: 'the data directory', place: data }];
  for (const { oid, location } of tablespaces) {
    const named = bytePathBelow(location, '').toString();
    const place = await realPathOf(named);
    const other = seen.find((one) => isBelowPath(place, one.place) || isBelowPath(one.place, place));
    if (other !== undefined) throw tablespaceOverlaps(oid, other.what);
    refuseWithin(named, place, `say where to put it: --tablespace ${oid}=DIR`);
    seen.push({ what: `tablespace ${oid}`, place });
  }
}

function refuseWithin(named: string, place: string, hint: string): void {
  const server = serverAround(place);
  if (server === undefined) return;
  throw new HoldfastError('failed', `"${named}" is in "${server}", which is a server's`, {
    code: 'directory_of_server',
    hint,
  });
}

/**
 * Writes the note. `written` is the path under which the data directory is written; `what` names the restore.
 */
export async function writeNote(
  { directory, tablespaces, walDirectory }: Destination,
  { written, what }: { written: string; what: string },
): Promise<void> {
  const text = [
    `${what} has begun here and is not finished: no server must start on this directory.`,
    'Where it was interrupted, empty these directories and restore again:',
    directory,
    ...tablespaces.map(({ location }) => bytePathBelow(location, '').toString()),
    ...(walDirectory === undefined ? [] : [walDirectory]),
  ];
  await writeSynced(join(written, noteName), Buffer.from(`${text.join('\n')}\n`), 0o600);
  await fsyncDirectory(written);
}

/** Removes the note of a finished restore. */
export async function removeNote({ directory }: Pick<Destination, 'directory'>): Promise<void> {
  await rm(join(directory, noteName));
}

/**
 * Whether a name in a directory belongs to the file system: lost+found, or the snapshots of a storage
 * appliance (src/port/pgcheckdir.c). CREATE TABLESPACE accepts a directory with such names, because each
 * server adds a directory of its own; initdb does not.
 */
export function isOfFileSystem(name: string): boolean {
  return name === 'lost+found' || name.startsWith('.');
}

/**
 * Refuses a directory that is not empty. `hintForMount` is the hint for a directory with names of the file
 * system only; undefined: such a directory is accepted.
 */
async function refuseFull(
  path: Buffer,
  dataDirectory: string,
  hint: string,
  hintForMount?: string,
): Promise<void> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new HoldfastError('failed', `"${path.toString()}" cannot be restored to: ${error.message}`, {
      code: 'directory_unwritable',
      hint: unwritableHint,
      cause: error,
    });
  });
  const stray = names.find((name) => !isOfFileSystem(name));
  const [first = ''] = names;
  if (stray === undefined && (first === '' || hintForMount === undefined)) return;
  const note = await readSmallFile(join(dataDirectory, noteName)).catch(() => undefined);
  const isMount = stray === undefined;
  const what = isMount ? `: it has "${first}", as a mount point may` : '';
  throw new HoldfastError('failed', `"${path.toString()}" is not empty${what}`, {
    code: 'directory_not_empty',
    hint:
      note === undefined
        ? ((isMount ? hintForMount : undefined) ?? hint)
        : `make sure that no restore runs there; then empty "${dataDirectory}", and the directories of its tablespaces and of its WAL that ${noteName} names, and restore again: a restore to it was interrupted`,
  });
}
