/** The files of an archive put together: those that follow each other, with the same fate for the same reason. Pure. */
import type { DecidedWalFile } from './decide-wal.ts';

export interface ExpiredRun {
  goes: boolean;
  reason: string;
  timeline: number;
  /** The first and the last segment. */
  startWal: string;
  endWal: string;
  /** Segments, and what is beside them: the history files of backups, partial segments. */
  files: number;
  /** Of those, the segments themselves. */
  segments: number;
}

/** Without the timeline histories. Where a segment is missing, the run goes on: nothing that stays lies in between. */
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
