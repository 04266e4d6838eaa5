/** Combines decisions about consecutive WAL files that have the same result for the same reason. Pure. */
import type { DecidedWalFile } from './decide-wal.ts';

/** A run of consecutive files with the same decision. */
export interface ExpiredRun {
  goes: boolean;
  reason: string;
  timeline: number;
  /** Names of the first and the last segment. */
  startWal: string;
  endWal: string;
  /** Number of files: segments, backup history files and partial segments. */
  files: number;
  /** Number of segments. */
  segments: number;
}

/**
 * Combines the decisions, without timeline history files. A missing segment does not end a run, because no
 * file with another decision is in between.
 */
export function expiredRunsOf(files: readonly DecidedWalFile[]): ExpiredRun[] {
  const runs: ExpiredRun[] = [];
  for (const { file, goes, reason } of files) {
    if (file.endsWith('.history')) continue;
    const timeline = Number.parseInt(file.slice(0, 8), 16);
    const segment = file.slice(0, 24);
    const segments = /^[0-9A-F]{24}$/.test(file) ? 1 : 0;
    const last = runs.at(-1);
    if (last?.timeline === timeline && last.goes === goes && last.reason === reason) {
      last.endWal = segment;
      last.files += 1;
      last.segments += segments;
    } else runs.push({ goes, reason, timeline, startWal: segment, endWal: segment, files: 1, segments });
  }
  return runs;
}
