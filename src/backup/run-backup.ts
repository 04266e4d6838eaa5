/**
 * The story of one request, from the claim to complete. Whatever goes wrong on the way is written into the
 * row, and the backup session is let go only after its outcome is there; a failure that cannot be written
 * keeps it for ten seconds only.
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

/** Milliseconds. Whoever has his row locked could otherwise keep the session for as long as he likes. */
const failureKeepsSession = 10_000;

/** What can be checked before is being checked already, during the claim: somebody waits for the start. */
export async function runBackup(
  job: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  checks: Promise<string[]>,
): Promise<void> {
  job.takeSession();
  try {
    const { source, ...beginning } = await begin(job, request, session, checks);
    const transfer = await (source ? copy(job, request, beginning, source) : hold(job, request));
    const ending = await end(job, request, session, beginning).catch(async (error: unknown) => {
      await transfer.abandon();
      throw error;
    });
    const description = describe(request, beginning, ending);
    await transfer.finish(description, ending);
    await storeLabel(job, ending, description);
    await letGo(job, session);
    job.context.target.prepare();
    await complete(job, request, { ...beginning, ...ending });
  } catch (error) {
    const recorded = recordFailure(job, sessionIsLost(error, session) ? sessionLost(error) : error);
    await Promise.race([recorded, sleep(failureKeepsSession, undefined, { ref: false })]);
    await letGo(job, session);
    await recorded;
  } finally {
    await letGo(job, session);
  }
}

/** What remains when the label is stored; a worker that takes over from a dead one begins here. */
export async function complete(
  job: RequestRun,
  { waitForArchive: wait, method }: Pick<ClaimedRequest, 'waitForArchive' | 'method'>,
  needed: NeededWal,
): Promise<void> {
  const isSaid = wait && (await waitForArchive(job, needed, { hasOwnWal: method === 'copy' }));
  const archived = isSaid ? await seeArchive(job, needed) : notLookedFor;
  await job.move('complete', (db) => markComplete(db, job.id, archived));
  job.context.log.info('backup complete', { request: job.id, cluster: job.context.target.name });
}

/** With what is to be copied, where the worker does that itself. */
async function begin(
  job: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  checks: Promise<string[]>,
): Promise<TimedBackupStart & { source: CopySource | undefined }> {
  session.onLost((reason) => job.endWindow(sessionLost(reason)));
  for (const warning of await job.unlessEnded(checks)) job.warn(warning);
  const source = request.method === 'copy' ? await job.unlessEnded(prepareCopy(job, session)) : undefined;
  const beginning = await job.unlessEnded(session.begin(request.label, request.fast));
  await job.move('running', (db) => markRunning(db, job.id, beginning), job.signal);
  job.context.log.info('backup running', {
    request: job.id,
    cluster: request.cluster,
    start: beginning.startLsn,
  });
  return { ...beginning, startedAt: new Date().toISOString(), source };
}

/** What can be seen to go wrong does so here. The server keeps the WAL that is not collected yet, if it lets us have it so. */
async function prepareCopy(job: RequestRun, session: BackupSession): Promise<CopySource> {
  const found = await findSource(job.context, session.db);
  const { clusterDirectory, dataDirectory } = found;
  const major = Math.floor(session.db.serverVersion / 10_000);
  const bytes = await survey({ dataDirectory, major }, job.signal);
  await requireFreeSpace(clusterDirectory, bytes, job.context.walReserve);
  if (!(await keepWal(session.db, `holdfast_${job.id}_${session.identity.pid}`)))
    job.context.log.debug('the server does not keep WAL for the copy', { request: job.id });
  return { ...found, bytes };
}

/** From here on nothing may keep the label from us but the loss of the session itself. */
async function end(
  job: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  beginning: BackupStart,
): Promise<BackupStop> {
  job.closeWindow();
  try {
    return await session.stop();
  } catch (error) {
    const { target } = job.context;
    const recovered = sessionIsLost(error, session)
      ? await recoverBackupStop(target, { ...beginning, label: request.label })
      : undefined;
    if (recovered === undefined) throw error;
    job.warn('the session was lost while it stopped; backup_label was rebuilt from the backup history file');
    return recovered;
  }
}

async function letGo(job: RequestRun, session: BackupSession): Promise<void> {
  await session.close();
  job.releaseSession();
  await job.context.control.dropWitness(job.id);
}

function describe(
  request: ClaimedRequest,
  beginning: TimedBackupStart,
  ending: BackupStop,
): BackupDescription {
  return {
    id: request.id,
    cluster: request.cluster,
    label: request.label,
    serverVersion: beginning.serverVersion,
    systemIdentifier: beginning.systemIdentifier,
    timeline: beginning.timeline,
    startedAt: beginning.startedAt,
    stoppedAt: new Date().toISOString(),
    startLsn: beginning.startLsn,
    startWal: beginning.startWal,
    stopLsn: ending.stopLsn,
    stopWal: ending.stopWal,
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
    hint: 'the copy is not a backup: throw it away and start again',
    cause: reason,
  });
}
