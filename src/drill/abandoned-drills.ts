/**
 * The drills that are below a drill directory, and what killed ones have left there. A drill is over when its lock is
 * free, which the kernel sees to, in whatever pid namespace it ran; where it had none, when its process is gone. What
 * cannot be known is left alone.
 */
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { parseProcess, processState, thisProcess } from '../system/process-identity.ts';
import { withLock } from '../system/file-lock.ts';
import { removeDrill } from './remove-drill.ts';
import type { ScratchOwner } from './scratch.ts';
import { endServer } from './leftover-server.ts';

const namePattern = /^holdfast-drill-[0-9a-f]{8}$/;
const unnamedPattern = /^holdfast-drill-[0-9a-f]{8}\.new$/;
/** Milliseconds after which a directory that never got its name was left by a killed drill. */
const unnamedFor = 600_000;
/** Milliseconds: somebody else may look whether it is free in this moment. */
const patience = 2000;

export interface FoundScratch {
  directory: string;
  owner: ScratchOwner;
  /** undefined: nobody can tell from here. */
  alive: boolean | undefined;
}

/** Every drill of this user that is below this directory, under way or left behind. */
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

/** undefined: it is none of ours. In a directory that many may write to, anybody may make one that looks like it. */
async function readOwner(directory: string): Promise<ScratchOwner | undefined> {
  try {
    const file = join(directory, 'owner.json');
    const [above, stats] = [await lstat(directory), await lstat(file)];
    if (!above.isDirectory() || !stats.isFile() || stats.nlink !== 1) return undefined;
    if (stats.uid !== (process.getuid?.() ?? stats.uid)) return undefined;
    // What root runs, it gives to the server's user in the end.
    if (stats.uid !== 0 && above.uid !== stats.uid) return undefined;
    const owner = JSON.parse(await readFile(file, 'utf8')) as ScratchOwner;
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
  // The locks of some file systems do not reach other hosts; ours, as it was before a restart, has the same name.
  const here = thisProcess();
  return its.boot === here.boot || its.host === here.host ? false : undefined;
}

/** undefined: it cannot be locked from here. */
async function isFree(file: string): Promise<boolean | undefined> {
  try {
    await withLock(file, { shared: true, wait: 0 }, () => Promise.resolve());
    return true;
  } catch (error) {
    return error instanceof HoldfastError && error.code === 'locked' ? false : undefined;
  }
}

export interface RemovedDrill {
  directory: string;
  owner: ScratchOwner;
  /** The server that still ran on it. */
  server: number | undefined;
}

/** Ends and removes what killed drills have left below it. Those that are under way are not touched. */
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

/** Another drill is about to remove it, or has. */
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
