/**
 * Health of an archiver, by pure functions. A failed archive_command is counted by the server, but a hanging
 * archive_command is not. The time for which WAL has waited for the archiver shows both.
 */
import type { Finding, Severity } from './findings.ts';
import type { ClusterStatus, UnseenWal, WalBacklog } from '../control/status-queries.ts';

const minutes = 60;

/** Seconds. Workers report every half minute. */
const seenWithin = 5 * minutes;
/** Seconds for which a file may wait for the archiver before a warning, and before the state is critical. */
const patience = [5 * minutes, 30 * minutes] as const;

/** The findings for the archiver of a cluster. `age`: formats seconds. */
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
  // Without a worker, no report is expected; another finding says that there is no worker.
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
  // A failing archiver has a finding of its own.
  return archiverFailing === true
    ? what
    : `${what}; no failure is counted, so archive_command (archive_library) hangs, is too slow, is not set, or names a program that the server does not find: see the log of the server`;
}

/**
 * The finding for a backup whose WAL was missing in the archive. The finding ends when the WAL of this or a later
 * backup is seen.
 */
export function unseenFinding({ id, cluster, startWal, stopWal }: UnseenWal): Finding {
  const message = `the server says that the WAL of its newest complete backup (${id}), ${startWal} to ${stopWal}, is archived, but it was not in the archive: type holdfast status ${id}`;
  return { severity: 'warning', object: `cluster ${cluster}`, message };
}
