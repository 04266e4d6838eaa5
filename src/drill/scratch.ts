/**
 * The scratch directory of a drill, in the drill directory: restored files, socket, log, and owner.json,
 * which names the drill. The directory gets its name when owner.json is complete and locked. The drill holds
 * the lock until the end.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { thisProcess, type ProcessIdentity } from '../system/process-identity.ts';
import { withLock } from '../system/file-lock.ts';
import { howToUse, refuseUnsafeDirectory } from './safe-directory.ts';
import { removeDrill } from './remove-drill.ts';

/** Bytes. The length limit of a socket address (struct sockaddr_un), including the name of the socket. */
const longestSocket = 103;

/** The content of owner.json. */
export interface ScratchOwner {
  kind: 'holdfast drill';
  process: ProcessIdentity;
  /** Whether the process holds the lock of owner.json for as long as the drill runs. */
  locked: boolean;
  createdAt: string;
  cluster: string;
  backup: string;
  /** Bytes that the drill may use. */
  expected: number;
}

/** The user that a scratch directory is given to. */
export interface ScratchIdentity {
  uid: number;
  gid: number;
}

/** The paths of a scratch directory. */
export interface ScratchDirectory {
  directory: string;
  /** The data directory. */
  data: string;
  /** The directory of the socket. */
  sockets: string;
  /** The log of the private server. */
  log: string;
  /** The location of a tablespace. */
  tablespace: (oid: string) => string;
  /**
   * Gives the directory to the user, and locks other users out; undefined: the current user keeps the
   * directory.
   */
  giveTo: (identity: ScratchIdentity | undefined) => Promise<void>;
  remove: () => Promise<void>;
}

/**
 * Creates a scratch directory and does the work. The work has to remove the directory.
 * @throws HoldfastError `drill_directory_unusable`
 */
export async function withScratch<T>(
  drillDirectory: string,
  what: Pick<ScratchOwner, 'cluster' | 'backup' | 'expected'>,
  work: (scratch: ScratchDirectory) => Promise<T>,
): Promise<T> {
  const directory = join(drillDirectory, `holdfast-drill-${randomBytes(4).toString('hex')}`);
  const scratch = scratchAt(directory);
  if (Buffer.byteLength(join(scratch.sockets, '.s.PGSQL.5432')) > longestSocket)
    throw unusable(drillDirectory, 'its path is too long for a socket below it', 'choose a shorter path');
  await refuseUnsafeDirectory(drillDirectory);
  const unnamed = `${directory}.new`;
  const giveUp = async (reason: unknown): Promise<never> => {
    await rm(unnamed, { recursive: true, force: true }).catch(() => undefined);
    throw unusable(drillDirectory, messageOf(reason), howToUse(drillDirectory, reason), reason);
  };
  const note = (locked: boolean) =>
    writeFile(join(unnamed, 'owner.json'), ownerText(what, locked), { mode: 0o600 });
  const begin = async () => {
    await rename(unnamed, directory).catch(giveUp);
    return work(scratch);
  };
  // The owner of the restored files is not known before the restore. Other users have no access until then.
  await mkdir(unnamed, { mode: 0o700 }).catch(giveUp);
  try {
    for (const name of ['s', 't']) await mkdir(join(unnamed, name), { mode: 0o700 });
    await note(true);
  } catch (error) {
    await giveUp(error);
  }
  return withOwnLock(join(unnamed, 'owner.json'), begin, () => note(false).catch(giveUp));
}

function ownerText(what: Pick<ScratchOwner, 'cluster' | 'backup' | 'expected'>, locked: boolean): string {
  const createdAt = new Date().toISOString();
  const owner: ScratchOwner = { kind: 'holdfast drill', process: thisProcess(), locked, createdAt, ...what };
  return JSON.stringify(owner);
}

/**
 * Does the work with a lock on owner.json. A lock belongs to the file, and survives the renaming of the
 * directory. `without` is called if the file system does not support locks.
 */
async function withOwnLock<T>(
  path: string,
  work: () => Promise<T>,
  without: () => Promise<void>,
): Promise<T> {
  let begun = false;
  const begin = () => {
    begun = true;
    return work();
  };
  try {
    return await withLock(path, { shared: false, wait: 0 }, begin);
  } catch (error) {
    const code = error instanceof HoldfastError ? error.code : undefined;
    if (begun || (code !== 'lock_unsupported' && code !== 'lock_failed')) throw error;
    await without();
    return begin();
  }
}

function scratchAt(directory: string): ScratchDirectory {
  const sockets = join(directory, 's');
  return {
    directory,
    data: join(directory, 'data'),
    sockets,
    log: join(directory, 'server.log'),
    tablespace: (oid) => join(directory, 't', oid),
    async giveTo(identity) {
      if (identity === undefined) return;
      for (const path of [sockets, join(directory, 't'), directory]) await give(path, identity);
    },
    remove: () => removeDrill(directory),
  };
}

/** By its descriptor: the new owner of a directory in /tmp may replace the directory by a symbolic link. */
async function give(path: string, { uid, gid }: ScratchIdentity): Promise<void> {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const directory = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await directory.chmod(0o700);
    await directory.chown(uid, gid);
  } finally {
    await directory.close();
  }
}

function unusable(directory: string, reason: string, hint: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `the drill directory "${directory}" cannot be used: ${reason}`, {
    code: 'drill_directory_unusable',
    hint,
    cause,
  });
}
