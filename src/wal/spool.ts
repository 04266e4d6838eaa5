/**
 * The spool: segments prefetched for restore_command, in the data directory in recovery:
 *
 *   pg_wal/pgsql_tmp.holdfast.fetch/owner      the process that fills the spool, the boot id and the archive
 *   pg_wal/pgsql_tmp.holdfast.fetch/wanted     the segment requested last
 *   pg_wal/pgsql_tmp.holdfast.fetch/<segment>  fetched and checked, but not synced: valid for this boot
 *   pg_wal/pgsql_tmp.holdfast.fetch/<segment>.fetching   in progress
 *
 * The spool of another owner is never used, because a repeated recovery may use another archive.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootId, parseProcess, processState, type ProcessIdentity } from '../system/process-identity.ts';
import { walFileKind } from '../repository/wal-archive.ts';
import { fetchDirectory, isOwnDirectory } from './our-directories.ts';
import { readSmallFile } from '../system/small-file.ts';

/** The content of the owner file. */
export interface SpoolOwner {
  process: ProcessIdentity;
  /** The result of invocationOf(); undefined where bin/holdfast-wal cannot use the spool. */
  invocation: string | undefined;
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
}

/** Milliseconds for which a fetch waits for a segment in progress. */
const patience = 30_000;
/** Milliseconds without a change after which a prefetch process that cannot be seen from here is taken for dead. */
const silence = 90_000;

/** The spool for `path`, the file that restore_command has to write. */
export function spoolDirectory(path: string): string {
  return fetchDirectory(dirname(path));
}

/**
 * Whether the data directory is in archive recovery: recovery.signal or standby.signal exists (since PostgreSQL 12).
 */
export function isRecovering(walDirectory: string): boolean {
  const data = dirname(walDirectory);
  return ['recovery.signal', 'standby.signal'].some((name) => existsSync(join(data, name)));
}

/** Whether the data directory is a standby's: standby.signal exists (since PostgreSQL 12). */
export function isStandby(walDirectory: string): boolean {
  return existsSync(join(dirname(walDirectory), 'standby.signal'));
}

/** Reads the owner file; undefined where there is no valid one. */
export async function readSpoolOwner(spool: string): Promise<SpoolOwner | undefined> {
  const text = await readSmallFile(join(spool, 'owner')).then(String, () => '');
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

/** Empties the spool and writes the owner file. bin/holdfast-wal compares the second and the third line. */
export async function takeSpool(spool: string, owner: SpoolOwner): Promise<void> {
  await rm(spool, { recursive: true, force: true });
  await mkdir(spool, { mode: 0o700 });
  const { process, invocation, clusterDirectory } = owner;
  const text = [JSON.stringify(process), process.boot, invocation ?? '-', clusterDirectory, ''].join('\n');
  await writeFile(join(spool, 'owner.new'), text, { mode: 0o600 });
  await rename(join(spool, 'owner.new'), join(spool, 'owner'));
}

/**
 * Whether the owner's process is alive. For a process that cannot be seen from here (for example, its container has
 * been removed), only the time since the last change decides.
 */
export async function isFilled(spool: string, owner: SpoolOwner): Promise<boolean> {
  const state = processState(owner.process);
  if (state !== 'unknown') return state === 'alive';
  const changes = await Promise.all(
    ['.', 'owner'].map((name) => stat(join(spool, name)).catch(() => undefined)),
  );
  return changes.some((found) => found !== undefined && Date.now() - found.mtimeMs < silence);
}

/** Returns the owner of the spool. Removes a spool of another archive or an earlier boot, and returns undefined. */
export async function usableOwner(spool: string, clusterDirectory: string): Promise<SpoolOwner | undefined> {
  const owner = await readSpoolOwner(spool);
  if (owner !== undefined && owner.process.boot === bootId() && owner.clusterDirectory === clusterDirectory)
    return owner;
  await rm(spool, { recursive: true, force: true });
  return undefined;
}

/** Removes the spool of a killed prefetch process after recovery has ended. */
export async function removeStaleSpool(walDirectory: string): Promise<void> {
  const spool = fetchDirectory(walDirectory);
  if (!existsSync(spool) || isRecovering(walDirectory) || !(await isOwnDirectory(walDirectory))) return;
  await rm(spool, { recursive: true, force: true });
}

/**
 * Renames the prefetched segment `name` to `path`. Waits where the segment is in progress. Returns false where the
 * segment is not in the spool.
 */
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

/** Records the segment requested last, for the prefetch process. */
export async function recordRequested(spool: string, name: string): Promise<void> {
  await writeFile(join(spool, 'wanted'), name, { mode: 0o600 }).catch(() => undefined);
}

/** Returns the segment requested last; undefined where there is none. */
export async function readRequested(spool: string): Promise<string | undefined> {
  const name = await readSmallFile(join(spool, 'wanted')).then(String, () => '');
  return walFileKind(name) === 'segment' ? name : undefined;
}

/** Lists the prefetched segments, sorted. */
export async function prefetchedSegments(spool: string): Promise<string[]> {
  const names = await readdir(spool);
  return names.filter((name) => walFileKind(name) === 'segment').sort();
}
