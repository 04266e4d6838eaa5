/**
 * Claims a waiting request: opens a backup session, checks the server and the label directory, and moves the row to
 * state starting. Any number of workers may do so for one request: the claim decides which worker gets the request,
 * and the others close the sessions that they have opened.
 */
import { markStarting, type ClaimedRequest, type WaitingRequest } from '../control/backup-requests.ts';
import { randomLockKey } from '../database/random-key.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { testLabelDirectory } from '../repository/label-directory.ts';
import type { ClusterServer } from '../server/cluster-server.ts';
import type { BackupSession } from './backup-session.ts';
import type { HeldSession } from './held-session.ts';
import { preflight } from './preflight.ts';
import { EndedElsewhere, LeftToNextWorker, recordRefusal, type RequestRun } from './request-run.ts';

/** The worker that wants the request. */
export interface Claimant {
  /** Random ID of this run of the worker. */
  instance: string;
  /**
   * Opens a backup session for the request.
   * @throws LeftToNextWorker, EndedElsewhere; the reason for which the server gave no session
   */
  open: (run: RequestRun) => Promise<BackupSession>;
  /** Called when the claim has succeeded or failed. Not called where no claim was made. */
  onDecided: (isClaimed: boolean) => void;
}

/** A claimed request with its backup session. */
export interface Claim {
  request: ClaimedRequest;
  session: BackupSession;
  /** The checks, which begin before the claim since a client waits. The result is a list of warnings. */
  checks: Promise<string[]>;
}

/** Claims a request. Returns undefined if this worker does not get the request. */
export async function claimRequest(
  run: RequestRun,
  waiting: WaitingRequest,
  held: HeldSession,
  claimant: Claimant,
): Promise<Claim | undefined> {
  const labelsTested = testLabelDirectory(run.context.labels, run.context.server.name);
  labelsTested.catch(() => undefined); // the checks report the error
  const session = await openSession(run, held, claimant);
  if (session === undefined || run.signal.aborted) return undefined;
  const checks = Promise.all([preflight(waiting, session), labelsTested]).then(([warnings]) => warnings);
  checks.catch(() => undefined);
  let request: ClaimedRequest | undefined;
  try {
    request = await moveToStarting(run, session, claimant);
  } finally {
    claimant.onDecided(request !== undefined);
  }
  if (request === undefined) return undefined;
  if (request.proxyKey !== null) held.keepProxyLock(request.proxyKey);
  return { request, session, checks };
}

/** Opens the session. Fails the request where the server gives no session. */
async function openSession(
  run: RequestRun,
  held: HeldSession,
  claimant: Claimant,
): Promise<BackupSession | undefined> {
  try {
    const session = await claimant.open(run);
    held.own(session);
    return session;
  } catch (error) {
    await held.release(); // the refusal may wait for the control database, and another request for the slot
    if (error instanceof EndedElsewhere || error instanceof LeftToNextWorker)
      run.context.log.debug('not taken', { request: run.id, reason: messageOf(error) });
    else await recordRefusal(run, refusalOf(run.context.server, error));
    return undefined;
  }
}

async function moveToStarting(
  run: RequestRun,
  session: BackupSession,
  { instance }: Claimant,
): Promise<ClaimedRequest | undefined> {
  const { control, server } = run.context;
  const monitor = await server.monitor();
  const { pid, backendStart, login, database } = session.identity;
  return control.run((db) =>
    markStarting(db, run.id, {
      worker: control.name,
      instance,
      pid,
      backendStart,
      lockKey: session.lockKey,
      login,
      database,
      proxyKey: randomLockKey(),
      monitorPid: monitor.identity.pid,
      monitorKey: monitor.lockKey,
    }),
  );
}

function refusalOf(server: ClusterServer, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError && cause.code !== 'connection_failed') return cause;
  return new HoldfastError('failed', `cluster "${server.name}" does not answer: ${messageOf(cause)}`, {
    code: 'cluster_unreachable',
    hint: "see that its server runs and that the url of the cluster in the worker's configuration is right",
    cause,
  });
}
