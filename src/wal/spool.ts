/**
 * Segments made ready for restore_command, in the data directory that recovers:
 *
 *   pg_wal/holdfast.fetch/owner      who fills it, for which boot and which archive
 *   pg_wal/holdfast.fetch/wanted     what was asked for last
 *   pg_wal/holdfast.fetch/<segment>  fetched and checked, but not synced: good for this boot
 *   pg_wal/holdfast.fetch/<segment>.fetching
 *
 * Another owner's is never used: a recovery that is tried again may be from another archive.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bootId, isAlive } from '../identity/process.ts';
import { walFileKind } from '../repository/wal-archive.ts';

export interface SpoolOwner {
  pid: number;
  boot: string;
  /** As invocationOf() says; undefined: the script cannot use it. */
  invocation: string | undefined;
  /** The cluster's directory in the repository. */
  clusterDirectory: string;
}

/** Milliseconds for which a fetch waits for the segment that is being made ready. */
const patience = 30_000;

/** Beside the file that restore_command is to write. */
export function spoolDirectory(path: string): string {
  return join(dirname(path), 'holdfast.fetch');
}

/** Whether the data directory is one that recovers from an archive, as far as its files say (since 12). */
export function isRecovering(walDirectory: string): boolean {
  const data = dirname(walDirectory);
  return ['recovery.signal', 'standby.signal'].some((name) => existsSync(join(data, name)));
}

export function isStandby(walDirectory: string): boolean {
  return existsSync(join(dirname(walDirectory), 'standby.signal'));
}

export async function readOwner(spool: string): Promise<SpoolOwner | undefined> {
  const text = await readFile(join(spool, 'owner'), 'utf8').catch(() => '');
  const [pid, boot, invocation, clusterDirectory] = text.split('\n');
  if (boot === undefined || invocation === undefined || clusterDirectory === undefined) return undefined;
  return {
    pid: Number(pid),
    boot,
    invocation: invocation === '-' ? undefined : invocation,
    clusterDirectory,
  };
}

/** Empties the spool and makes it the owner's. */
export async function takeSpool(spool: string, owner: SpoolOwner): Promise<void> {
  await rm(spool, { recursive: true, force: true });
  await mkdir(spool, { mode: 0o700 });
  const { pid, boot, invocation, clusterDirectory } = owner;
  const text = [pid, boot, invocation ?? '-', clusterDirectory, ''].join('\n');
  await writeFile(join(spool, 'owner.new'), text, { mode: 0o600 });
  await rename(join(spool, 'owner.new'), join(spool, 'owner'));
}

/** Removes what is there, if it is not for this archive or of an earlier boot; returns who fills it now. */
export async function usableOwner(spool: string, clusterDirectory: string): Promise<SpoolOwner | undefined> {
  const owner = await readOwner(spool);
  if (owner !== undefined && owner.boot === bootId() && owner.clusterDirectory === clusterDirectory)
    return owner;
  await rm(spool, { recursive: true, force: true });
  return undefined;
}

/** What a read-ahead that was killed has left in a server that has recovered since. */
export async function removeStaleSpool(walDirectory: string): Promise<void> {
  const spool = join(walDirectory, 'holdfast.fetch');
  if (existsSync(spool) && !isRecovering(walDirectory)) await rm(spool, { recursive: true, force: true });
}

/** false: it is not there. Waits where it is being made ready. */
export async function takeReady(
  spool: string,
  owner: SpoolOwner,
  name: string,
  path: string,
): Promise<boolean> {
  for (let waited = 0; waited < patience; waited += 2) {
    try {
      await rename(join(spool, name), path);
      return true;
    } catch {
      if (!existsSync(join(spool, `${name}.fetching`)) || !isAlive(owner.pid)) break;
      await sleep(2);
    }
  }
  return rename(join(spool, name), path).then(
    () => true,
    () => false,
  );
}

/** Tells whoever fills the spool where replay is. */
export async function noteWanted(spool: string, name: string): Promise<void> {
  await writeFile(join(spool, 'wanted'), name, { mode: 0o600 }).catch(() => undefined);
}

export async function readWanted(spool: string): Promise<string | undefined> {
  const name = await readFile(join(spool, 'wanted'), 'utf8').catch(() => '');
  return walFileKind(name) === 'segment' ? name : undefined;
}

/** In order. */
export async function readySegments(spool: string): Promise<string[]> {
  const names = await readdir(spool);
  return names.filter((name) => walFileKind(name) === 'segment').sort();
}
