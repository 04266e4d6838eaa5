/**
 * Timeline history files: one line for each ancestor of a timeline, oldest first, with the LSN at which the ancestor
 * was left (src/backend/access/transam/timeline.c: readTimeLineHistory).
 */
import { basename } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { parseLsn } from './lsn.ts';
import { readSmallFile } from '../system/small-file.ts';

/** A line of a history file. */
export interface Ancestor {
  timeline: number;
  /** The LSN at which the next timeline begins. */
  end: bigint;
}

/** The ancestors of each known timeline. */
export type Histories = ReadonlyMap<number, readonly Ancestor[]>;

/** The part of the WAL on one timeline, from LSN `begin` to LSN `end`; `end` is undefined for the last timeline. */
export interface TimelineSpan {
  timeline: number;
  begin: bigint;
  end: bigint | undefined;
}

/** Returns the spans from the first timeline to `timeline`, oldest first. */
export function spansTo(timeline: number, histories: Histories): TimelineSpan[] {
  const spans: TimelineSpan[] = [];
  let begin = 0n;
  for (const { timeline: ancestor, end } of histories.get(timeline) ?? []) {
    spans.push({ timeline: ancestor, begin, end });
    begin = end;
  }
  return [...spans, { timeline, begin, end: undefined }];
}

/** Whether the ancestors of the timeline are unknown, because its history file is missing. */
export function lacksHistory(timeline: number, histories: Histories): boolean {
  return timeline > 1 && !histories.has(timeline);
}

/** Whether recovery from the backup can follow these spans: the backup ended before its timeline was left. */
export function isOnWay(
  backup: { timeline: number; stopLsn: bigint },
  way: readonly TimelineSpan[],
): boolean {
  const span = way.find(({ timeline }) => timeline === backup.timeline);
  return span !== undefined && (span.end === undefined || backup.stopLsn <= span.end);
}

/** The name of a timeline's history file. */
export function historyFile(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
}

/**
 * Returns a file which proves that a timeline without history file existed: a segment on the timeline, the history file
 * of a descendant, or a file of any later timeline, because a server takes the first number without history file.
 * undefined where there is none, or where the history file exists.
 */
export function traceOf(
  timeline: number,
  segments: Iterable<string>,
  histories: Histories,
): string | undefined {
  if (!lacksHistory(timeline, histories)) return undefined;
  const later = [...segments]
    .map((name) => ({ name, on: Number.parseInt(name.slice(0, 8), 16) }))
    .filter(({ on }) => on >= timeline);
  const own = later.find(({ on }) => on === timeline);
  if (own !== undefined) return own.name;
  const newer = [...histories].filter(([on]) => on > timeline);
  const named = newer.find(([, ancestors]) => ancestors.some((ancestor) => ancestor.timeline === timeline));
  const [any] = named ?? newer[0] ?? [];
  return any === undefined ? later[0]?.name : historyFile(any);
}

/**
 * Lists the timelines from `first` on whose history files are lost, with what proves each, the first ten at most.
 */
export function lostHistories(
  first: number,
  segments: readonly string[],
  histories: Histories,
): { timeline: number; trace: string }[] {
  const lost: { timeline: number; trace: string }[] = [];
  for (let timeline = first; lost.length < 10; timeline += 1) {
    if (histories.has(timeline)) continue;
    const trace = traceOf(timeline, segments, histories);
    if (trace === undefined) break;
    lost.push({ timeline, trace });
  }
  return lost;
}

/**
 * Reads the ancestors in a history file for what can do without them: none where the file cannot be read or is damaged.
 * A fetch of the file reports the problem.
 */
export async function readAncestors(path: string): Promise<Ancestor[]> {
  try {
    return parseTimelineHistory(await readSmallFile(path), Number.parseInt(basename(path), 16));
  } catch {
    return [];
  }
}

/**
 * Parses an archived history file. The file has no checksum, and a wrong file leads recovery to a wrong timeline.
 * @throws HoldfastError `archive_damaged`
 */
export function parseHistoryFile(path: string, bytes: Buffer): Ancestor[] {
  try {
    return parseTimelineHistory(bytes, Number.parseInt(basename(path), 16));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new HoldfastError('failed', `"${path}" is damaged: ${error.message}`, {
      code: 'archive_damaged',
      hint: 'rename a good copy over the file: every server that has been on that timeline has one in pg_wal',
      cause: error,
    });
  }
}

/**
 * Parses the history file of `timeline`. A server ends each line with a newline, and every history file names at
 * least one ancestor; a server would take an empty file for a timeline without ancestors.
 * @throws RangeError with the problem
 */
export function parseTimelineHistory(bytes: Buffer, timeline: number): Ancestor[] {
  const text = bytes.toString('utf8');
  const ancestors = parseLines(text);
  if (ancestors.length === 0) throw new RangeError('it names no timeline');
  if (!text.endsWith('\n')) throw new RangeError('it is cut off within a line');
  const timelines = [...ancestors.map((ancestor) => ancestor.timeline), timeline];
  if (timelines.some((number, at) => number <= (timelines[at - 1] ?? 0)))
    throw new RangeError(`its timelines do not lead to ${timeline}: ${timelines.slice(0, -1).join(', ')}`);
  return ancestors;
}

function parseLines(text: string): Ancestor[] {
  return text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => {
      const [, timeline, lsn] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? [];
      if (timeline === undefined || lsn === undefined)
        throw new RangeError(`its line "${line}" is malformed`);
      return { timeline: Number(timeline), end: parseLsn(lsn) };
    });
}
