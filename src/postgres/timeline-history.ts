/**
 * Timeline history files: how a timeline came about, a line for each ancestor, oldest first, with the LSN where it
 * was left (src/backend/access/transam/timeline.c: readTimeLineHistory).
 */
import { parseLsn } from './lsn.ts';

export interface Ancestor {
  timeline: number;
  /** Where the next one begins. */
  end: bigint;
}

/** @throws RangeError naming the line that is none */
export function parseTimelineHistory(bytes: Buffer): Ancestor[] {
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => {
      const [, timeline, lsn] = /^\s*(\d+)\s+(\S+)/.exec(line) ?? [];
      if (timeline === undefined || lsn === undefined)
        throw new RangeError(`its line "${line}" is malformed`);
      return { timeline: Number(timeline), end: parseLsn(lsn) };
    });
}
