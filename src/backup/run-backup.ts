/**
 * The story of one backup, from a waiting request to a complete one. The row of the request is in one of these states:
 *
 *   requested  A client has inserted the row. A trigger has checked the row and notifies the workers; the dispatcher,
 *              which also looks by itself, chooses the row and calls `runBackup`. A backup session is opened, and what
 *              could make the backup fail is being checked.
 *   starting   This worker has the request. The checks end, and the session waits in pg_backup_start.
 *   running    The backup window is open. Method hold: another program copies. Method copy: CopyTransfer copies.
 *   done       The data is copied. pg_backup_stop returns backup_label. Method copy: label and WAL are added, and the
 *              backup is published in the repository. Then the label is written to the label directory.
 *   archiving  The label is in the row, and the session is closed. The worker waits for the archive, unless the
 *              requester does not.
 *   complete   The backup can be restored.
 *
 * In states requested, starting and running, the client may cancel a request. Before state complete, the worker may fail
 * a request; in state archiving, only an operator may, by giving the request up.
 *
 * Who moves the row: the client moves a request of method hold from running to done. Every other move between the
 * states above is this worker's. A trigger refuses all moves of others, except after this worker has died.
 *
 * How a finish arrives: the client's UPDATE commits, and a trigger notifies the worker. The reconciler reads the state
 * of a row after each notification, and of all rows every two seconds, since notifications may be lost. The reconciler
 * tells the run what it has read (RequestRun.onRowState). State done resolves `waitForState`. State cancelled or failed,
 * and a row that another worker has taken over, abort `run.signal`.
 *
 * What else ends a run early: until pg_backup_stop is called, the loss of the session, a time limit, a missing caller
 * or a worker that stops (RequestRun.endWindow). While the worker waits for the archive, a worker that stops: the next
 * worker goes on at `complete`. In between, nothing but a failure ends the run.
 *
 * Who sees the session: the session holds an advisory lock until the label is stored, or the failure is in the row.
 * Readers of backup_status and other workers look for that lock or, where the session is on another server, for the
 * proxy lock of this worker. A backup whose lock is gone before that is lost.
 */
import { markComplete, markRunning } from '../control/backup-requests.ts';
import type { ClaimedRequest, WaitingRequest } from '../control/backup-requests.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { BackupStart, BackupStop } from '../postgres/backup-facts.ts';
import { backupRecord, type BackupRecord } from '../repository/label-entry.ts';
import type { BackupSession } from './backup-session.ts';
import { claimRequest, type Claim, type Claimant } from './claim-request.ts';
import type { CopySource } from './copy/copy-source.ts';
import { HeldSession } from './held-session.ts';
import type { DataTransfer } from './methods/data-transfer.ts';
import type { PreparedCopy } from './methods/prepare-copy.ts';
import { HoldTransfer } from './methods/hold-transfer.ts';
import { recoverBackupStop } from './recover-label.ts';
import {
  copyIsNoBackup,
  LeftToNextWorker,
  recordFailure,
  EndedElsewhere,
  type RequestRun,
} from './request-run.ts';
import { notLookedFor, seeArchive } from './find-in-archive.ts';
import { storeLabel } from './store-label.ts';
import { letYoungGenerationGrow } from '../system/young-generation.ts';
import { waitForArchive } from './wait-for-archive.ts';

/**
 * Runs one request to its end, or until another worker has the request. A failure is written to the row.
 * @throws the reason for which an outcome could not be written
 */
export async function runBackup(run: RequestRun, waiting: WaitingRequest, claimant: Claimant): Promise<void> {
  await using held = new HeldSession(run);
  const claim = await claimRequest(run, waiting, held, claimant); // requested to starting
  if (claim === undefined) return;
  const { request, session } = claim;
  try {
    const prepared = await passChecks(run, claim, held);
    const [start, source] = await startBackup(run, claim, prepared); // to running
    const { record, stop } = await transferAndStop(run, claim, start, source); // to done
    await storeLabel(run, stop, record); // to archiving
    const released = held.release().then(() => run.context.server.prepare()); // a session for the next request
    await Promise.all([complete(run, request, record), released]); // to complete
  } catch (error) {
    const isLost = !held.isReleased && sessionIsLost(error, session);
    await held.releaseAfter(recordFailure(run, isLost ? sessionLost(await session.db.untilLost()) : error));
  }
}

/** Waits for the checks. Returns what is to be copied; undefined: the method does not copy. */
async function passChecks(
  run: RequestRun,
  { request, session, checks }: Claim,
  held: HeldSession,
): Promise<PreparedCopy | undefined> {
  session.onLost((reason) => run.endWindow(sessionLost(reason)));
  for (const warning of await run.raceAbort(checks)) run.warn(warning);
  if (request.method !== 'copy') return undefined;
  letYoungGenerationGrow();
  const { prepareCopy } = await import('./methods/prepare-copy.ts');
  return run.raceAbort(prepareCopy(run, { request, session }, held));
}

/** Starts the backup, and waits for the look at the files of a copy: from state starting to running. */
async function startBackup(
  run: RequestRun,
  { request, session }: Pick<Claim, 'request' | 'session'>,
  prepared: PreparedCopy | undefined,
): Promise<[BackupStart, CopySource | undefined]> {
  const beginning = session.begin(request.label, request.fast);
  const [start, source] = await run.raceAbort(Promise.all([beginning, prepared?.surveyed]));
  await run.move('running', (db) => markRunning(db, run.id, start), run.signal);
  run.context.log.info('backup running', {
    request: run.id,
    cluster: request.cluster,
    start: start.startLsn,
  });
  return [start, source];
}

/** Has the data copied, from state running to done; stops the backup, and completes the copy with the label. */
async function transferAndStop(
  run: RequestRun,
  { request, session }: Claim,
  start: BackupStart,
  source: CopySource | undefined,
): Promise<{ record: BackupRecord; stop: BackupStop }> {
  const transfer = await beginTransfer(run, { request, session }, start, source);
  try {
    await transfer.untilDone();
    const stop = transfer.labelled(await stopBackup(run, request, session, start));
    const record = backupRecord(request, start, stop);
    await transfer.finish(record, stop);
    return { record, stop };
  } catch (error) {
    await transfer.abandon().catch((left: unknown) => {
      run.context.log.warning('an unfinished backup was not removed', {
        request: run.id,
        reason: messageOf(left),
      });
    });
    throw error;
  }
}

/** The code of method copy is loaded by the first copy. */
async function beginTransfer(
  run: RequestRun,
  { request, session }: Pick<Claim, 'request' | 'session'>,
  start: BackupStart,
  source: CopySource | undefined,
): Promise<DataTransfer> {
  if (source === undefined) return new HoldTransfer(run, request);
  const { CopyTransfer } = await import('./methods/copy-transfer.ts');
  return CopyTransfer.begin(run, { request, session }, start, source);
}

/**
 * Stops the backup. From here on, only the loss of the session may prevent the worker from reading backup_label; a
 * lost label is rebuilt from the backup history file.
 */
async function stopBackup(
  run: RequestRun,
  request: ClaimedRequest,
  session: BackupSession,
  start: BackupStart,
): Promise<BackupStop> {
  run.closeWindow();
  try {
    return await session.stop();
  } catch (error) {
    const recovered = sessionIsLost(error, session)
      ? await recoverBackupStop(run.context.server, request.label, start)
      : undefined;
    if (recovered === undefined) throw error;
    run.warn('the session was lost while it stopped; backup_label was rebuilt from the backup history file');
    return recovered;
  }
}

/**
 * Waits for the archive and completes the request: from state archiving to complete. A worker that takes over an
 * abandoned request begins here.
 */
export async function complete(
  run: RequestRun,
  { waitForArchive: wait, method }: Pick<ClaimedRequest, 'waitForArchive' | 'method'>,
  record: BackupRecord,
): Promise<void> {
  const serverSaysArchived = wait && (await waitForArchive(run, record, { hasOwnWal: method === 'copy' }));
  const archived = serverSaysArchived ? await seeArchive(run, record) : notLookedFor;
  await run.move('complete', (db) => markComplete(db, run.id, archived));
  run.context.log.info('backup complete', { request: run.id, cluster: run.context.server.name });
}

function sessionIsLost(error: unknown, session: BackupSession): boolean {
  if (error instanceof EndedElsewhere || error instanceof LeftToNextWorker || error instanceof HoldfastError)
    return false;
  return session.db.isLost;
}

function sessionLost(reason: unknown): HoldfastError {
  return new HoldfastError('failed', `the backup session was lost: ${messageOf(reason)}`, {
    code: 'session_lost',
    hint: copyIsNoBackup,
    cause: reason,
  });
}
