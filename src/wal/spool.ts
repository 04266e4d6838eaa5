/**
 * Segments made ready for restore_command, in the data directory that recovers:
 *
 *   pg_wal/pgsql_tmp.holdfast.fetch/owner      who fills it, for which boot and which archive
 *   pg_wal/pgsql_tmp.holdfast.fetch/wanted     what was asked for last
 *   pg_wal/pgsql_tmp.holdfast.fetch/<segment>  fetched and checked, but not synced: good for this boot
 *   pg_wal/pgsql_tmp.holdfast.fetch/<segment>.fetching
 *
 * Another owner's is never used: a recovery that is tried again may be from another archive.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootId, parseProcess, processState, type ProcessIdentity } from '../system/process-identity.ts';
import { walFileKind } from '../repository/wal-archive.ts';
import { fetchDirectory } from './our-directories.ts';

export interface SpoolOwner {
  process: ProcessIdentity;
  /** As invocationOf() says; undefined: the script cannot use it. */
  invocation: string | undefined;
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
}

/** Milliseconds for which a fetch waits for the segment that is being made ready. */
const patience = 30_000;
/** Milliseconds without a change after which a read-ahead that cannot be seen from here has ended. */
const silence = 90_000;

/** Beside the file that restore_command is to write. */
export function spoolDirectory(path: string): string {
  return fetchDirectory(dirname(path));
}

/** Whether the data directory is one that recovers from an archive, as far as its files say (since 12). */
export function isRecovering(walDirectory: string): boolean {
  const data = dirname(walDirectory);
  return ['recovery.signal', 'standby.signal'].some((name) => existsSync(join(data, name)));
}

export function isStandby(walDirectory: string): boolean {
  return existsSync(join(dirname(walDirectory), 'standby.signal'));
}

export async function readSpoolOwner(spool: string): Promise<SpoolOwner | undefined> {
  const text = await readFile(join(spool, 'owner'), 'utf8').catch(() => '');
  const [process = '', , invocation, clusterDirectory] = text.split('\n');
  const its = parseProcess(parseJson(process));
  if (its === undefined || invocation === undefined || clusterDirectory === undefined) return undefined;
  return { process: its, invocation: invocation === '-' ? undefined : invocation, clusterDirectory };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Empties the spool and makes it the owner's. The second and the third line are what bin/holdfast-wal compares. */
export async function takeSpool(spool: string, owner: SpoolOwner): Promise<void> {
  await rm(spool, { recursive: true, force: true });
  await mkdir(spool, { mode: 0o700 });
  const { process, invocation, clusterDirectory } = owner;
  const text = [JSON.stringify(process), process.boot, invocation ?? '-', clusterDirectory, ''].join('\n');
  await writeFile(join(spool, 'owner.new'), text, { mode: 0o600 });
  await rename(join(spool, 'owner.new'), join(spool, 'owner'));
}

/** Of one that cannot be seen from here (its container has gone, say), only the time since it did something can tell. */
export async function isFilled(spool: string, owner: SpoolOwner): Promise<boolean> {
  const state = processState(owner.process);
  if (state !== 'unknown') return state === 'alive';
  const changes = await Promise.all(
    ['.', 'owner'].map((name) => stat(join(spool, name)).catch(() => undefined)),
  );
  return changes.some((found) => found !== undefined && Date.now() - found.mtimeMs < silence);
}

/** Removes what is there, if it is not for this archive or of an earlier boot; returns who fills it now. */
export async function usableOwner(spool: string, clusterDirectory: string): Promise<SpoolOwner | undefined> {
  const owner = await readSpoolOwner(spool);
  if (owner !== undefined && owner.process.boot === bootId() && owner.clusterDirectory === clusterDirectory)
    return owner;
  await rm(spool, { recursive: true, force: true });
  return undefined;
}

/** What a read-ahead that was killed has left in a server that has recovered since. */
export async function removeStaleSpool(walDirectory: string): Promise<void> {
  const spool = fetchDirectory(walDirectory);
  if (existsSync(spool) && !isRecovering(walDirectory)) await rm(spool, { recursive: true, force: true });
}

/** false: it is not there. Waits where it is being made ready. */
export async function takePrefetched(
  spool: string,
  owner: SpoolOwner,
  name: string,
  path: string,
): Promise<boolean> {
  for (const end = performance.now() + patience; performance.now() < end; await sleep(2)) {
    try {
      await rename(join(spool, name), path);
      return true;
    } catch {
      if (!existsSync(join(spool, `${name}.fetching`)) || !(await isFilled(spool, owner))) break;
    }
  }
  return rename(join(spool, name), path).then(
    () => true,
    () => false,
  );
}

/** Tells whoever fills the spool where replay is. */
export async function recordRequested(spool: string, name: string): Promise<void> {
  await writeFile(join(spool, 'wanted'), name, { mode: 0o600 }).catch(() => undefined);
}

export async function readRequested(spool: string): Promise<string | undefined> {
  const name = await readFile(join(spool, 'wanted'), 'utf8').catch(() => '');
  return walFileKind(name) === 'segment' ? name : undefined;
}

/** In order. */
export async function prefetchedSegments(spool: string): Promise<string[]> {
  const names = await readdir(spool);
  return names.filter((name) => walFileKind(name) === 'segment').sort();
}
