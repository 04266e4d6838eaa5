/**
 * Finds the scratch directories in a drill directory, and removes the scratch directories of killed drills. A
 * drill has ended if the lock of its owner.json is free: the kernel releases the lock in every PID namespace.
 * Without a lock, a drill has ended if its process is gone. A scratch directory is kept if the state of its
 * drill is unknown.
 */
import { constants } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { parseProcess, processState, thisProcess } from '../system/process-identity.ts';
import { withLock } from '../system/file-lock.ts';
import { removeDrill } from './remove-drill.ts';
import type { ScratchOwner } from './scratch.ts';
import { endServer } from './leftover-server.ts';
import { readSmallFile } from '../system/small-file.ts';

const namePattern = /^holdfast-drill-[0-9a-f]{8}$/;
const unnamedPattern = /^holdfast-drill-[0-9a-f]{8}\.new$/;
/** Milliseconds after which a directory that was never renamed belongs to a killed drill. */
const unnamedFor = 600_000;
/** Milliseconds to wait for a lock, because another process may be testing the lock. */
const patience = 2000;

/** A scratch directory in the drill directory. */
export interface FoundScratch {
  directory: string;
  owner: ScratchOwner;
  /** Whether the drill is running; undefined if this host cannot tell. */
  alive: boolean | undefined;
}

/** All scratch directories of this user in the drill directory, of running drills and of killed drills. */
export async function findScratches(drillDirectory: string): Promise<FoundScratch[]> {
  const names = await readdir(drillDirectory).catch((): string[] => []);
  const found: FoundScratch[] = [];
  for (const name of names.filter((entry) => namePattern.test(entry)).sort()) {
    const directory = join(drillDirectory, name);
    const owner = await readOwner(directory);
    if (owner !== undefined) found.push({ directory, owner, alive: await isRunning(directory, owner) });
  }
  return found;
}

/**
 * The content of owner.json; undefined if the directory is not a scratch directory of this user. In a drill
 * directory that is open to other users, other users may create similar directories.
 */
async function readOwner(directory: string): Promise<ScratchOwner | undefined> {
  try {
    const file = join(directory, 'owner.json');
    const [above, stats] = [await lstat(directory), await lstat(file)];
    if (!above.isDirectory() || !stats.isFile() || stats.nlink !== 1) return undefined;
    if (stats.uid !== (process.getuid?.() ?? stats.uid)) return undefined;
    // A drill that runs as root gives the directory to the server's user, but not owner.json.
    if (stats.uid !== 0 && above.uid !== stats.uid) return undefined;
    const owner = JSON.parse(
      String(await readSmallFile(file, { flags: constants.O_NOFOLLOW })),
    ) as ScratchOwner;
    const its = parseProcess(owner.process);
    if (owner.kind !== 'holdfast drill' || its === undefined) return undefined;
    return { ...owner, process: its };
  } catch {
    return undefined;
  }
}

async function isRunning(
  directory: string,
  { process: its, locked }: ScratchOwner,
): Promise<boolean | undefined> {
  const state = processState(its);
  const byProcess = state === 'unknown' ? undefined : state === 'alive';
  if (!locked) return byProcess;
  const free = await isFree(join(directory, 'owner.json'));
  if (free === undefined) return byProcess;
  if (!free) return true;
  // Locks of some network file systems do not reach other hosts. After a restart, this host has the same
  // name.
  const here = thisProcess();
  return its.boot === here.boot || its.host === here.host ? false : undefined;
}

/** Whether the lock is free; undefined if the file cannot be locked from this host. */
async function isFree(file: string): Promise<boolean | undefined> {
  try {
    await withLock(file, { shared: true, wait: 0 }, () => Promise.resolve());
    return true;
  } catch (error) {
    return error instanceof HoldfastError && error.code === 'locked' ? false : undefined;
  }
}

/** The scratch directory of a killed drill, after its removal. */
export interface RemovedDrill {
  directory: string;
  owner: ScratchOwner;
  /** The process ID of the server that was still running in the directory; undefined if none was. */
  server: number | undefined;
}

/**
 * Ends the servers of killed drills, and removes their scratch directories. Running drills are not touched.
 */
export async function removeAbandoned(drillDirectory: string): Promise<RemovedDrill[]> {
  const removed: RemovedDrill[] = [];
  for (const { directory, owner, alive } of await findScratches(drillDirectory)) {
    if (alive !== false) continue;
    const remove = async () => {
      const server = await endServer(join(directory, 'data'));
      await removeDrill(directory);
      removed.push({ directory, owner, server });
    };
    if (!owner.locked) await remove();
    else
      await withLock(join(directory, 'owner.json'), { shared: false, wait: patience }, remove).catch(ifTaken);
  }
  await removeUnnamed(drillDirectory);
  return removed;
}

/** Another drill is removing the directory, or has removed the directory. */
function ifTaken(error: unknown): void {
  if (error instanceof HoldfastError && ['locked', 'lock_gone'].includes(error.code ?? '')) return;
  throw error;
}

async function removeUnnamed(drillDirectory: string): Promise<void> {
  const names = await readdir(drillDirectory).catch((): string[] => []);
  for (const name of names.filter((entry) => unnamedPattern.test(entry))) {
    const path = join(drillDirectory, name);
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined || stats.uid !== (process.getuid?.() ?? stats.uid)) continue;
    if (Date.now() - stats.mtimeMs > unnamedFor) await removeDrill(path);
  }
}
