/**
 * What a monitoring system should know of an archiver: pure. Its failures are events, and one that hangs reports none;
 * how long WAL has been waiting for it is a state that shows every kind of trouble.
 */
import type { Finding, Severity } from './findings.ts';
import type { ClusterStatus, UnseenWal, WalBacklog } from '../control/status-queries.ts';

const minutes = 60;

/** Seconds. Reports come every half minute. */
const seenWithin = 5 * minutes;
/** Seconds that a file may wait for the archiver: until a warning, and until it is critical. */
const patience = [5 * minutes, 30 * minutes] as const;

export function archiverFindings(
  cluster: ClusterStatus,
  backlogs: readonly WalBacklog[],
  age: (seconds: number) => string,
): Finding[] {
  const { name, archiveMode, archiverFailing, lastFailedWal, checkedAgo } = cluster;
  const say = (severity: Severity, message: string): Finding => ({
    severity,
    object: `cluster ${name}`,
    message,
  });
  const findings: Finding[] = [];
  if (archiverFailing === true) findings.push(say('critical', `the archiver fails on ${lastFailedWal}`));
  else if (archiveMode === 'off') findings.push(say('critical', 'archiving is off'));
  const [warning, critical] = patience;
  const backlog = backlogs.find((one) => one.cluster === name);
  if (backlog !== undefined && backlog.seconds > warning)
    findings.push(say(backlog.seconds > critical ? 'critical' : 'warning', waits(cluster, backlog, age)));
  // Without a worker nobody looks, which is said already.
  if (cluster.workers.length > 0 && (checkedAgo === null || checkedAgo > seenWithin)) {
    const since = checkedAgo === null ? 'at all' : `for ${age(checkedAgo)}`;
    findings.push(say('warning', `its archiver could not be looked at ${since}`));
  }
  return findings;
}

function waits(
  { archiverFailing, lastArchivedWal, lastArchivedAgo }: ClusterStatus,
  { files, seconds }: WalBacklog,
  age: (seconds: number) => string,
): string {
  const last =
    lastArchivedWal === null
      ? 'none has been archived yet'
      : `the last one archived was ${lastArchivedWal}, ${age(lastArchivedAgo ?? 0)} ago`;
  const what = `WAL files that wait to be archived: ${files}, the oldest for ${age(seconds)}; ${last}`;
  // What fails has its own line.
  return archiverFailing === true
    ? what
    : `${what}; no failure is counted, so archive_command (archive_library) hangs, is too slow, is not set, or names a program that the server does not find: see the log of the server`;
}

/** Counts until the WAL of a later backup is seen, or this one's is. */
export function unseenFinding({ id, cluster, startWal, stopWal }: UnseenWal): Finding {
  const message = `the server says that the WAL of its newest complete backup (${id}), ${startWal} to ${stopWal}, is archived, but it was not in the archive: type holdfast status ${id}`;
  return { severity: 'warning', object: `cluster ${cluster}`, message };
}
