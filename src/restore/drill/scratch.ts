/**
 * The directory of one drill, below the drill directory: restored files, socket and log, and owner.json, which says
 * whose it is. It appears under its name together with that file, so whatever has the name can be told to be ours,
 * and what a killed drill left can be removed by the next one, its server first.
 */
import { randomBytes } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../../errors.ts';
import { isAlive, processStart } from '../../identity/process.ts';

import { endServer } from './stray-server.ts';

const namePattern = /^holdfast-drill-[0-9a-f]{8}$/;
const unnamedPattern = /^holdfast-drill-[0-9a-f]{8}\.new$/;
/** Milliseconds after which a directory that never got its name was left by a killed drill. */
const unnamedFor = 600_000;
/** What the address of a socket has room for (struct sockaddr_un), with the socket's own name. */
const longestSocket = 103;

export interface Owner {
  kind: 'holdfast drill';
  host: string;
  pid: number;
  /** Of that process, in the system's own terms. */
  processStart: string;
  createdAt: string;
  cluster: string;
  backup: string;
  /** Bytes that it may come to take. */
  expected: number;
}

export interface Identity {
  uid: number;
  gid: number;
}

export interface Scratch {
  directory: string;
  data: string;
  sockets: string;
  log: string;
  /** Of one tablespace. */
  tablespace: (oid: string) => string;
  /** For nobody but this user from now on; undefined: we are that user. */
  giveTo: (identity: Identity | undefined) => Promise<void>;
  remove: () => Promise<void>;
}

/** @throws HoldfastError `drill_directory_unusable` */
export async function createScratch(
  drillDirectory: string,
  what: Pick<Owner, 'cluster' | 'backup' | 'expected'>,
): Promise<Scratch> {
  const directory = join(drillDirectory, `holdfast-drill-${randomBytes(4).toString('hex')}`);
  const scratch = scratchAt(directory);
  if (Buffer.byteLength(join(scratch.sockets, '.s.PGSQL.5432')) > longestSocket)
    throw unusable(drillDirectory, 'its path is too long for a socket below it', 'choose a shorter path');
  const owner: Owner = {
    kind: 'holdfast drill',
    host: hostname(),
    pid: process.pid,
    processStart: processStart(process.pid),
    createdAt: new Date().toISOString(),
    ...what,
  };
  try {
    // Its owner is known only once it is restored; until then, nothing in it is to be seen.
    await mkdir(`${directory}.new`, { mode: 0o700 });
    await writeFile(join(`${directory}.new`, 'owner.json'), JSON.stringify(owner), { mode: 0o600 });
    await mkdir(join(`${directory}.new`, 's'), { mode: 0o700 });
    await mkdir(join(`${directory}.new`, 't'), { mode: 0o700 });
    await rename(`${directory}.new`, directory);
  } catch (error) {
    await rm(`${directory}.new`, { recursive: true, force: true }).catch(() => undefined);
    const hint = 'it has to be there, and to belong to the user that runs drills';
    throw unusable(drillDirectory, messageOf(error), hint, error);
  }
  return scratch;
}

function scratchAt(directory: string): Scratch {
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
    remove: () => removeTree(directory),
  };
}

function unusable(directory: string, reason: string, hint: string, cause?: unknown): HoldfastError {
  return new HoldfastError('failed', `the drill directory "${directory}" cannot be used: ${reason}`, {
    code: 'drill_directory_unusable',
    hint,
    cause,
  });
}

/** What reads WAL ahead for recovery ends by itself, and may write a last file meanwhile. */
async function removeTree(directory: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
      return;
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(100);
    }
  }
}

export interface FoundScratch {
  directory: string;
  owner: Owner;
  /** Its owner runs; undefined: it is another host's, and nobody can tell from here. */
  alive: boolean | undefined;
}

/** Every drill that is below this directory, under way or left behind. */
export async function findScratches(drillDirectory: string): Promise<FoundScratch[]> {
  const names = await readdir(drillDirectory).catch((): string[] => []);
  const found: FoundScratch[] = [];
  for (const name of names.filter((entry) => namePattern.test(entry)).sort()) {
    const directory = join(drillDirectory, name);
    const owner = await readOwner(directory);
    if (owner !== undefined) found.push({ directory, owner, alive: await isRunning(owner) });
  }
  return found;
}

/** undefined: it is none of ours. */
async function readOwner(directory: string): Promise<Owner | undefined> {
  try {
    if (!(await lstat(directory)).isDirectory()) return undefined;
    const owner = JSON.parse(await readFile(join(directory, 'owner.json'), 'utf8')) as Owner;
    return owner.kind === 'holdfast drill' ? owner : undefined;
  } catch {
    return undefined;
  }
}

async function isRunning({ host, pid, processStart: startedAt }: Owner): Promise<boolean | undefined> {
  if (host !== hostname()) return undefined;
  return isAlive(pid) && startedAt === processStart(pid);
}

export interface Removed {
  directory: string;
  owner: Owner;
  /** The server that still ran on it. */
  server: number | undefined;
}

/** Ends and removes what killed drills of this host left below it. Those that are under way are not touched. */
export async function removeAbandoned(drillDirectory: string): Promise<Removed[]> {
  const removed: Removed[] = [];
  for (const { directory, owner, alive } of await findScratches(drillDirectory)) {
    if (alive !== false) continue;
    const server = await endServer(join(directory, 'data'));
    await removeTree(directory);
    removed.push({ directory, owner, server });
  }
  await removeUnnamed(drillDirectory);
  return removed;
}

async function removeUnnamed(drillDirectory: string): Promise<void> {
  const names = await readdir(drillDirectory).catch((): string[] => []);
  for (const name of names.filter((entry) => unnamedPattern.test(entry))) {
    const path = join(drillDirectory, name);
    const { mtimeMs = Infinity } = (await stat(path).catch(() => undefined)) ?? {};
    if (Date.now() - mtimeMs > unnamedFor) await removeTree(path);
  }
}
