/**
 * Checks the clock against dated events before anything expires, because the clock may be ahead. An accepted
 * time is stored in clock.json beside the backups, and is the starting point of the next check.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { controlIdentity } from '../control/control-identity.ts';
import { datedEvents, retentionOf, type RetentionPolicy } from '../control/retention-rows.ts';
import type { Connection } from '../database/connection.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { readAcceptedTime, writeAcceptedTime } from '../repository/accepted-time.ts';
import { ownerFile } from '../repository/repository-owner.ts';
import { archivedFiles, archivedPath } from '../repository/wal-archive.ts';
import { clocksDiffer, findLeap, longestStep, type DatedEvidence, type ClockLeap } from './clock-ahead.ts';

const day = 86_400_000;

/** The input of refuseLeap() and leapOf(). */
export interface ClockToJudge {
  cluster: string;
  clusterDirectory: string;
  /** The present on the clock of the database. */
  now: Date;
  /** Milliseconds: the periods of the rules that keep recent backups. */
  windows: readonly number[];
  /** The end times of the backups in the repository. */
  stored: readonly DatedEvidence[];
  /** undefined: the cluster has no repository. */
  archive: { files: readonly string[] } | undefined;
}

/** Milliseconds: the periods of the rules that keep recent backups. Empty if the rules only count backups. */
export function windowsOf({ keepSince, recoverSince }: RetentionPolicy, now: Date): number[] {
  const since = [keepSince, recoverSince].filter((time) => time !== null);
  return since.map((time) => now.getTime() - time.getTime());
}

/**
 * Refuses to continue if the clock may be ahead.
 * @throws HoldfastError `clock_ahead`
 */
export async function refuseLeap(db: Connection, clock: ClockToJudge): Promise<void> {
  const leap = await leapOf(db, clock);
  if (leap === undefined) return;
  const { ignored } = await lastAccepted(clock);
  const besides = ignored === undefined ? '' : `; ${saidOfIgnored(ignored)}`;
  const said = ({ at, what }: DatedEvidence) => `${at.toISOString().slice(0, 19)}Z (${what})`;
  throw new HoldfastError(
    'failed',
    `the clock may be ahead: it says ${clock.now.toISOString().slice(0, 19)}Z, and nothing is dated between ${said(leap.from)} and ${said(leap.to)}${besides}`,
    {
      code: 'clock_ahead',
      hint: `set the clock right; or, where the clock is right and the cluster was switched off or idle meanwhile, run "holdfast expire --cluster ${clock.cluster} --clock-is-right" once: nothing expires until then`,
    },
  );
}

type Moment = Pick<ClockToJudge, 'clusterDirectory' | 'now'>;

/**
 * The last accepted time. `ignored` is an accepted time in the future: the clock was ahead when the time was
 * accepted. Such a time must not be used, because any jump of the clock up to this time would be accepted.
 */
async function lastAccepted({ clusterDirectory, now }: Moment): Promise<{ time?: Date; ignored?: Date }> {
  const time = await readAcceptedTime(clusterDirectory);
  if (time === undefined) return {};
  return time.getTime() - now.getTime() > clocksDiffer ? { ignored: time } : { time };
}

function saidOfIgnored(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z, which was accepted as the present before, is in the future and counts for nothing`;
}

/** Finds a gap between dated events that matters to the rules; undefined if there is none. */
export async function leapOf(db: Connection, clock: ClockToJudge): Promise<ClockLeap | undefined> {
  const { clusterDirectory, now, windows, stored, archive } = clock;
  if (windows.length === 0) return undefined;
  const { time } = await lastAccepted(clock);
  const accepted = time && { at: time, what: 'the last time that was accepted' };
  if (accepted && now.getTime() - accepted.at.getTime() <= longestStep(windows)) return undefined;
  const events = await datedEvents(db, time);
  const evidence = [...stored, ...events.map((at) => ({ at, what: 'an event in the control database' }))];
  const judged = { now, accepted, windows };
  if (findLeap({ ...judged, evidence }) === undefined) return undefined;
  const segments = await datedSegments(clusterDirectory, archive?.files ?? []);
  return findLeap({ ...judged, evidence: [...evidence, ...segments] });
}

async function datedSegments(clusterDirectory: string, files: readonly string[]): Promise<DatedEvidence[]> {
  const dated: DatedEvidence[] = [];
  for (const file of files.filter((name) => !name.endsWith('.history'))) {
    const stats = await stat(archivedPath(clusterDirectory, file)).catch(() => undefined);
    if (stats !== undefined) dated.push({ at: stats.mtime, what: `the archiving of ${file}` });
  }
  return dated;
}

/**
 * Stores the present as accepted, after an expiry has checked the clock. An error, such as on a full disk, is
 * only logged, so that the expiry can free space.
 */
export async function acceptTime(
  { clusterDirectory, now, windows }: Pick<ClockToJudge, 'clusterDirectory' | 'now' | 'windows'>,
  { cluster, clockIsRight, log }: { cluster: string; clockIsRight: boolean; log: Log },
): Promise<void> {
  // A rule with a short period proves nothing about the clock.
  if (!clockIsRight && Math.max(0, ...windows) < day) return;
  // clock.json may be damaged; the next write replaces the file.
  const { ignored } = await lastAccepted({ clusterDirectory, now }).catch(() => ({ ignored: undefined }));
  if (ignored !== undefined) log.warning(`the clock was ahead: ${saidOfIgnored(ignored)}`, { cluster });
  await writeAcceptedTime(clusterDirectory, now).catch((error: unknown) =>
    log.warning('cannot note what time it is', { cluster, reason: messageOf(error) }),
  );
}

/** Milliseconds. */
const notedEvery = 3_600_000;
const workersWindow = 7 * day;

/**
 * Stores the present as accepted while a worker is running, so that an idle cluster does not look like a jump
 * of the clock.
 * @throws HoldfastError `clock_ahead`
 */
export async function followClock(options: {
  cluster: string;
  clusterDirectory: string;
  control: <T>(work: (db: Connection) => Promise<T>) => Promise<T>;
  log: Log;
}): Promise<void> {
  const { cluster, clusterDirectory, control, log } = options;
  if (!existsSync(ownerFile(clusterDirectory))) return;
  const { confirmed } = await control(controlIdentity);
  if (!confirmed) return;
  const { now, policy } = await control((db) => retentionOf(db, cluster));
  const time = await readAcceptedTime(clusterDirectory);
  if (time !== undefined && Math.abs(now.getTime() - time.getTime()) < notedEvery) return;
  const windows = [workersWindow, ...(policy === undefined ? [] : windowsOf(policy, now))];
  const archive = { files: await archivedFiles(clusterDirectory) };
  await control((db) => refuseLeap(db, { cluster, clusterDirectory, now, windows, stored: [], archive }));
  const { ignored } = await lastAccepted({ clusterDirectory, now });
  if (ignored !== undefined) log.warning(`the clock was ahead: ${saidOfIgnored(ignored)}`, { cluster });
  await writeAcceptedTime(clusterDirectory, now);
}
