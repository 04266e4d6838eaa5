/**
 * Checks whether the WAL that the server calls archived is in the archive, if the worker can read the archive. A
 * server counts a segment as archived if archive_command returns zero, and /bin/true always returns zero.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Archived } from '../control/backup-requests.ts';
import { archiveSettings, type ArchiveSettings } from '../server/server-queries.ts';
import { segmentRange } from '../postgres/wal-segment.ts';
import type { BackupRecord } from '../repository/label-entry.ts';
import { archivePlaces, doesNothing, isPush, type ArchivePlace } from './archive-places.ts';
import type { RequestRun } from './request-run.ts';

/** Whether the segments have been seen in the archive. */
export type ArchiveSight =
  /** null: unknown, since no archive could be read. */
  | { seen: true | null }
  /** `missing`: the first segment that is in none of the directories `where`. */
  | { seen: false; missing: string; where: string };

/**
 * Milliseconds for which a missing segment is waited for: files may appear some time after the archiver has
 * succeeded, and later still on another host. With a command that archives nothing, the worker does not wait.
 */
const showsWithin = 5000;
/** Milliseconds. */
const firstPause = 100;
/** Milliseconds. */
const longestPause = 1000;
/** Milliseconds for one look. A network file system may block a look for ever. */
const longestLook = 10_000;

/** The result for a request that does not check the archive. */
export const notLookedFor: Archived = { seen: null, warning: null };

/** Looks for the WAL of a backup in the archive. Returns a warning if a segment is missing. */
export async function seeArchive(run: RequestRun, backup: BackupRecord): Promise<Archived> {
  const { server, repository } = run.context;
  const segments = segmentRange(backup.startWal, backup.stopWal, await server.segmentSize());
  const settings = await settingsOf(run).catch(() => undefined);
  const isNoArchive = settings !== undefined && archivesNothing(settings);
  const places = archivePlaces({
    clusterDirectory: join(repository, server.name),
    archiveDirectory: server.archiveDirectory,
    systemIdentifier: backup.systemIdentifier,
    hasNoOther: isNoArchive || (settings !== undefined && (await pushesHere(run, settings))),
  });
  const onMissing = (missing: string, where: string) => run.describe(`${missing} to appear in ${where}`);
  const within = isNoArchive ? 0 : showsWithin;
  const sight = await run.raceAbort(lookFor(segments, places, { within, signal: run.signal, onMissing }));
  if (sight.seen !== false) return { seen: sight.seen, warning: null };
  const warning = explain(sight, settings, server.archiveDirectory === undefined);
  run.context.log.warning(warning, { request: run.id });
  return { seen: false, warning };
}

/** How long to look for missing segments. */
export interface Patience {
  /** Milliseconds for which a missing segment is waited for. */
  within: number;
  signal: AbortSignal;
  /** Called after every look that found a segment missing. */
  onMissing: (missing: string, where: string) => void;
}

/** Looks until all segments are there, the result is unknown, the time is over, or the signal is aborted. */
export async function lookFor(
  segments: readonly string[],
  places: readonly ArchivePlace[],
  { within, signal, onMissing }: Patience,
): Promise<ArchiveSight> {
  const until = performance.now() + within;
  for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
    const late: ArchiveSight = { seen: null };
    const sight = await Promise.race([look(segments, places), sleep(longestLook, late, { ref: false })]);
    if (sight.seen !== false || signal.aborted) return sight;
    const left = until - performance.now();
    if (left <= 0) return sight;
    onMissing(sight.missing, sight.where);
    await sleep(Math.min(pause, left), undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Looks once. A directory that cannot be read may hold the segments that the others lack; the result is unknown
 * then.
 */
async function look(segments: readonly string[], places: readonly ArchivePlace[]): Promise<ArchiveSight> {
  let left = segments;
  let isWhole = true;
  const where: string[] = [];
  for (const { directory, missing } of places) {
    const there = await missing(left).catch(() => null);
    if (there === null) isWhole = false;
    if (there === null || there === undefined) continue;
    left = there;
    where.push(`"${directory}"`);
    if (left.length === 0) return { seen: true };
  }
  const [first] = left;
  if (!isWhole || where.length === 0 || first === undefined) return { seen: null };
  return { seen: false, missing: first, where: where.join(' or ') };
}

async function settingsOf(run: RequestRun): Promise<ArchiveSettings> {
  return archiveSettings((await run.context.server.monitor()).db);
}

function archivesNothing({ command, library }: ArchiveSettings): boolean {
  return library === '' && doesNothing(command);
}

/** Whether Holdfast archives on this host: on another one, the repository is that host's. */
async function pushesHere({ context }: RequestRun, { command, library }: ArchiveSettings): Promise<boolean> {
  if (library !== '' || !isPush(command)) return false;
  const dataDirectory = await context.server.dataDirectory().catch(() => undefined);
  return dataDirectory !== undefined && context.server.runsOn(dataDirectory);
}

/**
 * The warning for a missing segment. An archive_command may contain a password, so only a command that does
 * nothing is quoted.
 */
function explain(
  { missing, where }: Extract<ArchiveSight, { seen: false }>,
  settings: ArchiveSettings | undefined,
  mayBeElsewhere: boolean,
): string {
  const said = `the server says that ${missing} is archived, but it is not in ${where}`;
  if (settings === undefined) return said;
  if (archivesNothing(settings)) return `${said}: its archive_command '${settings.command}' archives nothing`;
  const by = settings.library === '' ? 'archive_command' : `archive_library '${settings.library}'`;
  const elsewhere = mayBeElsewhere
    ? '; where it archives to another place that can be read here, set archive_directory of the cluster'
    : '';
  return `${said}: see what its ${by} does${elsewhere}`;
}
