/** `holdfast wal fetch`: the program in restore_command, which runs for every file that recovery may need. */
import { loadWalConfig } from '../../config/wal-config.ts';
import { invocationOf } from '../../wal/invocation.ts';
import { archivedPath, walFileKind } from '../../repository/wal-archive.ts';
import { bootId, processStart, thisProcess } from '../../system/process-identity.ts';
import { keepFreedMemory } from '../../system/keep-freed-memory.ts';
import { isOwnDirectory } from '../../wal/our-directories.ts';
import { serverRuns } from '../../wal/server-state.ts';
import {
  isFilled,
  isRecovering,
  isStandby,
  recordRequested,
  spoolDirectory,
  takePrefetched,
  takeSpool,
  usableOwner,
} from '../../wal/spool.ts';
import { historyOfFirst, isHistoryAtHand } from '../../wal/history-at-hand.ts';
import type { FetchOptions } from '../../wal/fetch-segment.ts';
import { parseWalArguments } from './wal-arguments.ts';
import { tellFailure } from './wal-failure.ts';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The exit status if the archive does not have the file. PostgreSQL continues without the file: recovery
 * ends, or PostgreSQL asks again.
 */
const notThere = 1;
/**
 * The exit status for any other error. Above 125 PostgreSQL stops recovery
 * (src/backend/access/transam/xlogarchive.c: RestoreArchivedFile). A file that cannot be read at the moment
 * must not look like the end of the archive: the server would be promoted with data missing.
 */
const stop = 200;

/** Fetches a file. Returns the exit status: 0 if the file is at its destination. */
export async function walFetch(args: readonly string[]): Promise<number> {
  const failed = statusOfFailure(args);
  process.exitCode = failed;
  process.on('uncaughtException', (error) => process.exit(tellFailure(error, args, failed)));
  try {
    const { options, operands } = parseWalArguments('fetch', args);
    const [name = '', path = ''] = operands;
    if (name === historyOfFirst) return notThere;
    const { clusterDirectory, fetchAhead } = await loadWalConfig({ ...options, env: process.env });
    // If no server runs, the caller is a tool that has listed the files of pg_wal: no file may appear or
    // vanish there.
    if (doesWithout(name, path)) await requireArchive(clusterDirectory);
    const isServer = isRecovering(dirname(path)) && (await serverRuns(dirname(dirname(path))));
    const mayReadAhead = isServer && (await isOwnDirectory(dirname(path)));
    const ahead = mayReadAhead ? fetchAhead : 0;
    const wanted = { name, path, clusterDirectory };
    const invocation = invocationOf(process.env, args.length > operands.length);
    const fetch = () =>
      ahead === 0 ? fetchDirectly(wanted) : fetchWithReadAhead({ ...wanted, ahead, invocation });
    const found = (await fetch()) || (await comesLater(wanted, fetch));
    await renew(clusterDirectory, dirname(dirname(path)));
    return found ? 0 : notThere;
  } catch (error) {
    return tellFailure(error, args, failed);
  }
}

/** Whether the server can do without the file: a standby streams, and a promoted one has the history of its timeline. */
function doesWithout(name: string, path: string): boolean {
  return isStandby(dirname(path)) || isHistoryAtHand(name, dirname(path));
}

/**
 * For a server that can do without the file once it is told that the archive does not have the file. A recovery waits for
 * as long as the archive does not answer.
 * @throws HoldfastError `repository_unreadable`
 */
async function requireArchive(clusterDirectory: string): Promise<void> {
  const { requireAnswerToChild } = await import('../../system/answering-to-child.ts');
  await requireAnswerToChild(clusterDirectory).catch(async (error: unknown) => {
    const { repositoryUnreadable } = await import('../../repository/repository-errors.ts');
    throw repositoryUnreadable(clusterDirectory, error);
  });
}

/**
 * The exit status of an error. A standby never ends its recovery by itself: the standby asks again, or
 * streams from its primary in the meantime. Status 200 would stop a server that can run without the archive.
 */
function statusOfFailure(args: readonly string[]): number {
  const at = args.findIndex((arg) => walFileKind(arg) !== undefined);
  const [name, path] = at < 0 ? [] : args.slice(at);
  return name !== undefined && path !== undefined && doesWithout(name, path) ? notThere : stop;
}

/**
 * Waits for a file that is missing although the archive has later WAL, or WAL of the file's timeline. Returns
 * true once the file has been fetched. A standby does not wait for segments, because a standby asks again or
 * streams from its primary; a recovery would end.
 * @throws HoldfastError `wal_missing`, `history_missing` where the file does not appear
 */
async function comesLater(
  { name, path, clusterDirectory }: Fetch,
  fetch: () => Promise<boolean>,
): Promise<boolean> {
  const walDirectory = dirname(path);
  if (process.env['HOLDFAST_DESPITE_MISSING_WAL'] === '1' || !isRecovering(walDirectory)) return false;
  if (walFileKind(name) === 'timeline history') {
    const { historyHasCome } = await import('../../wal/lost-history.ts');
    return historyHasCome(name, { walDirectory, clusterDirectory }, fetch);
  }
  if (isStandby(walDirectory) || walFileKind(name) !== 'segment') return false;
  const { appearsAfterGap, isAlreadyInPlace } = await import('../../wal/wal-gap.ts');
  if (await isAlreadyInPlace(name, walDirectory)) return false;
  return appearsAfterGap(name, { walDirectory, clusterDirectory }, fetch);
}

/** Renews the lease that the restore of this server has left on the needed WAL. */
async function renew(clusterDirectory: string, dataDirectory: string): Promise<void> {
  const lease = process.env['HOLDFAST_LEASE'];
  if (lease === undefined) return;
  const { renewLease } = await import('../../repository/renew-lease.ts');
  await renewLease(clusterDirectory, lease, dataDirectory);
}

/** One file to fetch. */
interface Fetch {
  /** The name of the file in the archive (`%f`). */
  name: string;
  /** The destination (`%p`). */
  path: string;
  clusterDirectory: string;
}

async function fetchDirectly(wanted: Fetch): Promise<boolean> {
  const { fetchWal } = await import('../../wal/fetch-segment.ts');
  keepFreedMemory();
  return fetchWal({ ...wanted, ...(await looking(wanted)) });
}

/**
 * The examination of fetched WAL in a restored server, beyond the WAL that the restore has examined. Replay
 * may create tablespaces in directories of other servers on this host.
 */
async function looking({
  name,
  path,
  clusterDirectory,
}: Fetch): Promise<Pick<FetchOptions, 'look' | 'onSuspect'>> {
  const walDirectory = dirname(path);
  if (process.env['HOLDFAST_LOOKED_TO'] === undefined || !isRecovering(walDirectory)) return {};
  const { examineSegment } = await import('../../wal/examine-segment.ts');
  return {
    look: examineSegment(name, clusterDirectory),
    onSuspect: async ({ walSegmentSize }) => {
      const { refuseTablespaces } = await import('../../recovery/fetched-tablespaces.ts');
      const standby = isStandby(walDirectory);
      await refuseTablespaces({ name, walDirectory, clusterDirectory, walSegmentSize, standby });
    },
  };
}

async function fetchWithReadAhead(
  wanted: Fetch & { ahead: number; invocation: string | undefined },
): Promise<boolean> {
  const { name, path, clusterDirectory } = wanted;
  const spool = spoolDirectory(path);
  const owner = await usableOwner(spool, clusterDirectory);
  if (walFileKind(name) !== 'segment') return fetchDirectly(wanted);
  const ready = owner !== undefined && (await takePrefetched(spool, owner, name, path));
  const isRead = owner !== undefined && (await isFilled(spool, owner));
  // The process starts, and begins with the next segment, while this one is fetched.
  if (!isRead && (ready || existsSync(archivedPath(clusterDirectory, name))))
    await startReadAhead(spool, wanted);
  if (!ready && !(await fetchDirectly(wanted))) return false;
  await recordRequested(spool, name);
  return true;
}

/** Starts the read-ahead process in a session of its own, so that PostgreSQL waits for this process only. */
async function startReadAhead(
  spool: string,
  { name, ahead, clusterDirectory, invocation }: Fetch & { ahead: number; invocation: string | undefined },
): Promise<void> {
  const [, program] = process.argv;
  if (program === undefined || bootId() === undefined) return;
  const { spawn } = await import('node:child_process');
  const args = [program, 'wal', 'read-ahead', spool, name, String(ahead)];
  const child = spawn(process.execPath, args, { detached: true, stdio: 'ignore' });
  child.unref();
  if (child.pid === undefined) return;
  const its = { ...thisProcess(), pid: child.pid, startedAt: processStart(child.pid) };
  await takeSpool(spool, { process: its, invocation, clusterDirectory });
}
