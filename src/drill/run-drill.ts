/**
 * Runs a restore drill: restores a backup into a scratch directory, recovers the backup with a private
 * PostgreSQL server, checks everything, and removes the directory. A failure of any step is the result of the
 * drill.
 */
import { hostname } from 'node:os';
import { basename } from 'node:path';
import type { DrillCheck, DrillRecord } from '../control/drill-records.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import { withChainLock } from '../repository/stored-chain.ts';
import { resolveBackup, type RestorePlan } from '../recovery/resolve-backup.ts';
import type { RecoveryChoice } from '../recovery/recovery-settings.ts';
import { storedTablespaces } from '../recovery/stored-tablespaces.ts';
import { restoreBackup } from '../restore/restore-backup.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import type { RecordedBackup } from '../repository/recorded-backup.ts';
import {
  formatRecoveryTarget,
  type RecoveryTarget,
  type RecoveryTargetTimeline,
} from '../recovery/recovery-target.ts';
import { readAssertions, type Assertion } from './assertions.ts';
import type { DrillReport } from './drill-report.ts';
import { failedChecks } from './failed-checks.ts';
import { inspectServer } from './inspect-server.ts';
import { removeAbandoned } from './abandoned-drills.ts';
import { DrillServer } from './drill-server.ts';
import { findPrograms } from './server-programs.ts';
import { expectedBytes, requireDrillSpace } from './drill-space.ts';
import { refuseUnsafeDirectory } from './safe-directory.ts';
import { withScratch, type ScratchDirectory } from './scratch.ts';
import { findWalLimit, limitedTo, targetWithin, type CreatedTablespace, type WalLimit } from './wal-limit.ts';

/** The options of runDrill(). */
export interface DrillOptions {
  cluster: string;
  clusterDirectory: string;
  /** The ID, the name or the directory of a backup; undefined: the newest backup that leads to the target. */
  which: string | undefined;
  /** What the request of the backup has recorded; with `which`, the backup has to have that name. */
  recorded?: RecordedBackup | undefined;
  target: RecoveryTarget;
  timeline: RecoveryTargetTimeline;
  drillDirectory: string;
  /** The directory of PostgreSQL's programs; undefined: Holdfast searches for the programs. */
  programs: string | undefined;
  /** shared_preload_libraries that recovery needs. */
  preload: string;
  /** The file of assertions; undefined: no assertions. */
  assertions: string | undefined;
  /** Milliseconds for each assertion. */
  assertionTimeout: number;
  /** Milliseconds for the whole drill. */
  timeout: number;
  restoreCommand: string;
  /** Number of extraction threads. */
  jobs: number;
  /** The name of the worker; undefined: the host name. */
  worker: string | undefined;
  signal: AbortSignal;
  report: DrillReport;
}

/** The result of a drill. */
export interface DrilledServer extends DrillRecord {
  /** The failure; undefined if the drill succeeded. */
  error: HoldfastError | undefined;
}

/**
 * Runs a drill. A failure of the drill is a part of the result.
 * @throws only where `signal` of the options is aborted
 */
export async function runDrill(options: DrillOptions): Promise<DrilledServer> {
  const record = newRecord(options);
  const timeUp = AbortSignal.timeout(Math.min(options.timeout, longestTimer));
  const signal = AbortSignal.any([options.signal, timeUp]);
  let error: HoldfastError | undefined;
  try {
    await rehearse({ ...options, signal }, record);
    error = failedChecks(record);
  } catch (thrown) {
    options.signal.throwIfAborted();
    error = timeUp.aborted ? tookTooLong(options.timeout) : asFailure(thrown);
  }
  const failure = error && { code: error.code, message: error.message, hint: error.hint };
  return { ...record, finishedAt: new Date(), failure, error };
}

/** Milliseconds. Timers cannot be longer. */
const longestTimer = 2 ** 31 - 1;

async function rehearse(options: DrillOptions, record: DrillRecord): Promise<void> {
  const { drillDirectory, report } = options;
  const assertions = await readAssertions(options.assertions);
  for (const leftover of await removeAbandoned(drillDirectory)) report.removed(leftover);
  const choice = await resolveBackup({ ...options, despiteMissingWal: false });
  // Keeps the backup from expiring, and with the backup the WAL that recovery fetches.
  await withChainLock(choice.backup, (links) =>
    rehearseWith({ ...choice, links }, assertions, options, record),
  );
}

async function rehearseWith(
  choice: RestorePlan & { links: readonly StoredBackup[] },
  assertions: readonly Assertion[],
  options: DrillOptions,
  record: DrillRecord,
): Promise<void> {
  const { drillDirectory, report } = options;
  const { description, directory } = choice.backup;
  const name = basename(directory);
  record.backup = { ...description, name };
  const programs = await findPrograms(choice.backup, options.programs);
  await refuseUnsafeDirectory(drillDirectory); // checked before the WAL is read, which may take hours

  const { clusterDirectory, target, signal } = options;
  report.phase('reading', `the WAL since ${description.startLsn}`);
  const limit = await findWalLimit({ choice, clusterDirectory, target, signal, onSegment: report.segment });
  const recovery = recoveryOf(options, choice, limit);

  const expected = expectedBytes(description, choice.links);
  const what = { cluster: options.cluster, backup: name, expected };
  await withScratch(drillDirectory, what, async (scratch) => {
    try {
      await requireDrillSpace(drillDirectory, scratch.directory, expected);
      await restoreInto(scratch, choice, recovery, options, record);
      const plan = { programs, recovery, assertions, required: limit.required };
      await recover(scratch, choice.backup, plan, options, record).catch((error: unknown) => {
        throw limit.tablespace === undefined ? error : endedEarly(error, limit.tablespace);
      });
      if (limit.tablespace !== undefined) record.checks.push(leftOut(limit.tablespace));
    } finally {
      report.phase('removing', scratch.directory);
      await scratch.remove();
    }
  });
}

async function restoreInto(
  scratch: ScratchDirectory,
  { backup, fromBackup }: RestorePlan,
  recovery: RecoveryChoice,
  options: DrillOptions,
  record: DrillRecord,
): Promise<void> {
  const { signal, report, jobs } = options;
  const began = performance.now();
  report.phase('restoring', String(record.backup?.name));
  await restoreBackup({
    lease: undefined,
    backup,
    directory: scratch.data,
    moved: await tablespacesInto(scratch, backup),
    asWere: false,
    recovery,
    fromBackup,
    jobs,
    onProgress(done, expected) {
      signal.throwIfAborted();
      report.progress(done, expected);
    },
  });
  record.restoreSeconds = secondsSince(began);
}

/** New locations for all tablespaces: the cluster may still use the old locations. */
async function tablespacesInto(
  scratch: ScratchDirectory,
  backup: StoredBackup,
): Promise<ReadonlyMap<string, string>> {
  const mapped = await storedTablespaces(backup);
  return new Map(mapped.map(({ oid }) => [oid, scratch.tablespace(oid)]));
}

interface RecoveryPlan {
  programs: string;
  recovery: RecoveryChoice;
  assertions: readonly Assertion[];
  required: WalLimit['required'];
}

async function recover(
  scratch: ScratchDirectory,
  backup: StoredBackup,
  { assertions, ...plan }: RecoveryPlan,
  options: DrillOptions,
  record: DrillRecord,
): Promise<void> {
  const { signal, report, preload } = options;
  signal.throwIfAborted();
  const major = majorOf(backup);
  report.phase('recovering', `to ${record.target}, with PostgreSQL ${major}`);
  const server = await DrillServer.prepare({
    ...plan,
    scratch,
    major,
    preload,
    signal,
    onSegment: report.segment,
  });
  // An abort ends the server, so that a query that waits for the server fails at once.
  const end = () => void server.end().catch(() => undefined);
  signal.addEventListener('abort', end, { once: true });
  try {
    const began = performance.now();
    await server.start();
    record.recoverySeconds = secondsSince(began);
    await inspectServer({ ...options, scratch, server, major, backup, assertions }, record);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', end);
    await server.end();
  }
}

/**
 * The recovery of a drill: to the end of the chosen timeline, and of the WAL that findWalLimit() has read.
 */
function recoveryOf(
  { target, timeline, restoreCommand }: DrillOptions,
  { backup, path, lacksHistory }: RestorePlan,
  limit: WalLimit,
): RecoveryChoice {
  const fetch = lacksHistory ? `HOLDFAST_DESPITE_MISSING_WAL=1 ${restoreCommand}` : restoreCommand;
  return {
    target: targetWithin(target, backup.description, limit),
    timeline: path.at(-1)?.timeline ?? timeline,
    action: 'promote',
    standby: false,
    restoreCommand: limitedTo(limit.last, fetch),
    endCommand: '',
    noArchiving: true,
  };
}

function leftOut({ location, lsn }: CreatedTablespace): DrillCheck {
  const detail = `not from ${lsn} on, where a tablespace was created in "${location}"`;
  return { check: 'all WAL replayed', ok: true, skipped: true, detail, problems: [], seconds: 0 };
}

/** Error codes of a recovery that ended with the WAL. */
const tooEarly = ['recovery_failed', 'target_not_reached'];

function endedEarly(thrown: unknown, { location, lsn }: CreatedTablespace): unknown {
  if (!(thrown instanceof HoldfastError) || !tooEarly.includes(thrown.code ?? '')) return thrown;
  return new HoldfastError(
    'failed',
    `${thrown.message}; WAL was replayed up to ${lsn} only, where a tablespace was created in "${location}"`,
    {
      code: 'tablespace_created',
      hint: 'drill a backup that was made since, which has the tablespace',
      cause: thrown,
    },
  );
}

function newRecord({ cluster, target, timeline, worker }: DrillOptions): DrillRecord {
  const where = timeline === 'latest' ? '' : `, timeline ${timeline}`;
  return {
    cluster,
    backup: undefined,
    worker: worker ?? hostname(),
    startedAt: new Date(),
    finishedAt: new Date(),
    target: `${formatRecoveryTarget(target)}${where}`,
    serverVersion: null,
    restoreSeconds: null,
    recoverySeconds: null,
    bytes: null,
    recoveredTo: null,
    lastTransactionAt: null,
    checks: [],
    failure: undefined,
  };
}

function tookTooLong(timeout: number): HoldfastError {
  return new HoldfastError('failed', `the drill was not over after ${timeout / 1000} s`, {
    code: 'drill_timeout',
    hint: 'set drill_timeout of the cluster to let a drill take longer',
  });
}

function asFailure(thrown: unknown): HoldfastError {
  if (thrown instanceof HoldfastError) return thrown;
  return new HoldfastError('failed', messageOf(thrown), { code: 'drill_failed', cause: thrown });
}

function majorOf({ description }: StoredBackup): number {
  return Number.parseInt(description.serverVersion, 10);
}

function secondsSince(began: number): number {
  return Math.round(performance.now() - began) / 1000;
}
