/**
 * Runs one request from the claim to state complete. A failure is written to the row. The backup session is closed
 * only after the outcome is in the row; a failure that cannot be written keeps the session for ten seconds only.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { markComplete, markRunning } from '../control/backup-requests.ts';
import type { BackupStart, ClaimedRequest, BackupStop } from '../control/backup-requests.ts';
import { ServerError } from '../database/connection.ts';
import { keepWal } from '../server/server-queries.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { BackupSession, TimedBackupStart } from './backup-session.ts';
import { requireFreeSpace } from './copy/free-space.ts';
import { findSource, type CopySource } from './copy/copy-source.ts';
import { survey } from './copy/survey.ts';
import { LeftToNextWorker, recordFailure, EndedElsewhere, type RequestRun } from './request-run.ts';
import type { NeededWal } from './wal-archived.ts';
import { storeLabel } from './store-label.ts';
import type { BackupDescription } from '../repository/label-entry.ts';
import { copy } from './methods/copy-transfer.ts';
import { hold } from './methods/hold-transfer.ts';
import { recoverBackupStop } from './recover-label.ts';
import { notLookedFor, seeArchive } from './see-archive.ts';
import { waitForArchive } from './wait-for-archive.ts';

/** Milliseconds. A client that has locked the row could otherwise keep the session open without limit. */
const failureKeepsSession = 10_000;

/**
 * Runs a claimed request to its end. A failure is written to the row. `checks`: the preflight, which began during
 * the claim, since the client waits for the start. Its result is a list of warnings.
 */
export async function runBackup(
  run: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  checks: Promise<string[]>,
): Promise<void> {
  run.takeSession();
  try {
    const { source, ...beginning } = await begin(run, request, session, checks);
    const transfer = await (source ? copy(run, request, beginning, source) : hold(run, request));
    const stop = await end(run, request, session, beginning).catch(async (error: unknown) => {
      await transfer.abandon();
      throw error;
    });
    const description = describe(request, beginning, stop);
    await transfer.finish(description, stop);
    await storeLabel(run, stop, description);
    await release(run, session);
    run.context.server.prepare();
    await complete(run, request, { ...beginning, ...stop });
  } catch (error) {
    const recorded = recordFailure(run, sessionIsLost(error, session) ? sessionLost(error) : error);
    await Promise.race([recorded, sleep(failureKeepsSession, undefined, { ref: false })]);
    await release(run, session);
    await recorded;
  } finally {
    await release(run, session);
  }
}

/**
 * The steps after the label is stored: waits for the archive and completes the request. A worker that takes over
 * an abandoned request begins here.
 */
export async function complete(
  run: RequestRun,
  { waitForArchive: wait, method }: Pick<ClaimedRequest, 'waitForArchive' | 'method'>,
  needed: NeededWal,
): Promise<void> {
  const isSaid = wait && (await waitForArchive(run, needed, { hasOwnWal: method === 'copy' }));
  const archived = isSaid ? await seeArchive(run, needed) : notLookedFor;
  await run.move('complete', (db) => markComplete(db, run.id, archived));
  run.context.log.info('backup complete', { request: run.id, cluster: run.context.server.name });
}

/** Starts the backup. `source`: the cluster to copy; undefined: the method does not copy. */
async function begin(
  run: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  checks: Promise<string[]>,
): Promise<TimedBackupStart & { source: CopySource | undefined }> {
  session.onLost((reason) => run.endWindow(sessionLost(reason)));
  for (const warning of await run.raceAbort(checks)) run.warn(warning);
  const source = request.method === 'copy' ? await run.raceAbort(prepareCopy(run, session)) : undefined;
  const start = await run.raceAbort(session.begin(request.label, request.fast));
  await run.move('running', (db) => markRunning(db, run.id, start), run.signal);
  run.context.log.info('backup running', {
    request: run.id,
    cluster: request.cluster,
    start: start.startLsn,
  });
  return { ...start, startedAt: new Date().toISOString(), source };
}

/**
 * Checks everything that could make the copy fail, and has the server keep WAL for the copy if the role may do so.
 */
async function prepareCopy(run: RequestRun, session: BackupSession): Promise<CopySource> {
  const found = await findSource(run.context, session.db);
  const { clusterDirectory, dataDirectory } = found;
  const major = Math.floor(session.db.serverVersion / 10_000);
  const bytes = await survey({ dataDirectory, major }, run.signal);
  await requireFreeSpace(clusterDirectory, bytes, run.context.walReserve);
  if (!(await keepWal(session.db, `holdfast_${run.id}_${session.identity.pid}`)))
    run.context.log.debug('the server does not keep WAL for the copy', { request: run.id });
  return { ...found, bytes };
}

/**
 * Stops the backup. From here on, only the loss of the session may prevent the worker from reading backup_label; a
 * lost label is rebuilt from the backup history file.
 */
async function end(
  run: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  start: BackupStart,
): Promise<BackupStop> {
  run.closeWindow();
  try {
    return await session.stop();
  } catch (error) {
    const { server } = run.context;
    const recovered = sessionIsLost(error, session)
      ? await recoverBackupStop(server, { ...start, label: request.label })
      : undefined;
    if (recovered === undefined) throw error;
    run.warn('the session was lost while it stopped; backup_label was rebuilt from the backup history file');
    return recovered;
  }
}

async function release(run: RequestRun, session: BackupSession): Promise<void> {
  await session.close();
  run.releaseSession();
  await run.context.control.releaseProxyLock(run.id);
}

function describe(request: ClaimedRequest, start: TimedBackupStart, stop: BackupStop): BackupDescription {
  return {
    id: request.id,
    cluster: request.cluster,
    label: request.label,
    serverVersion: start.serverVersion,
    systemIdentifier: start.systemIdentifier,
    timeline: start.timeline,
    startedAt: start.startedAt,
    stoppedAt: new Date().toISOString(),
    startLsn: start.startLsn,
    startWal: start.startWal,
    stopLsn: stop.stopLsn,
    stopWal: stop.stopWal,
  };
}

function sessionIsLost(error: unknown, session: BackupSession): boolean {
  if (error instanceof EndedElsewhere || error instanceof LeftToNextWorker || error instanceof HoldfastError)
    return false;
  return session.db.isLost || (error instanceof ServerError && error.severity === 'FATAL');
}

function sessionLost(reason: unknown): HoldfastError {
  return new HoldfastError('failed', `the backup session was lost: ${messageOf(reason)}`, {
    code: 'session_lost',
    hint: 'throw the copy away and start again: it is not a backup',
    cause: reason,
  });
}
