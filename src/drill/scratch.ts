/**
 * The directory of one drill, below the drill directory: restored files, socket and log, and owner.json, which says
 * whose it is. It appears under its name together with that file, whose lock the drill has for as long as it runs.
 */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { thisProcess, type ProcessIdentity } from '../system/process-identity.ts';
import { withLock } from '../system/file-lock.ts';
import { howToUse, refuseUnsafeDirectory } from './safe-directory.ts';
import { removeDrill } from './remove-drill.ts';

/** What the address of a socket has room for (struct sockaddr_un), with the socket's own name. */
const longestSocket = 103;

export interface ScratchOwner {
  kind: 'holdfast drill';
  process: ProcessIdentity;
  /** Whether that process has the lock of this file for as long as it runs. */
  locked: boolean;
  createdAt: string;
  cluster: string;
  backup: string;
  /** Bytes that it may come to take. */
  expected: number;
}

export interface ScratchIdentity {
  uid: number;
  gid: number;
}

export interface ScratchDirectory {
  directory: string;
  data: string;
  sockets: string;
  log: string;
  /** Of one tablespace. */
  tablespace: (oid: string) => string;
  /** For nobody but this user from now on; undefined: we are that user. */
  giveTo: (identity: ScratchIdentity | undefined) => Promise<void>;
  remove: () => Promise<void>;
}

/** Does the work in a directory of its own, which it has to remove. @throws HoldfastError `drill_directory_unusable` */
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
  // Its owner is known only once it is restored; until then, nothing in it is to be seen.
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

/** The lock is on the file, whatever that is called meanwhile. `without`: there are no locks here. */
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
      for (const path of [sockets, join(directory, 't'), directory])
        await chown(path, identity.uid, identity.gid);
      await chmod(directory, 0o700);
    },
    remove: () => removeDrill(directory),
  };
}

function unusable(directory: string, reason: string, hint: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `the drill directory "${directory}" cannot be used: ${reason}`, {
    code: 'drill_directory_unusable',
    hint,
    cause,
  });
}
