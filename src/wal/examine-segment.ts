/**
 * Examines a segment fetched for a restored server: whether the segment may create a tablespace that the restore has
 * not seen (see recovery/fetched-tablespaces.ts for the decision). The examination has to be cheap. Unreadable WAL is
 * not reported here, because replay reports the problem.
 */
import { closeSync } from 'node:fs';
import { mayCreateTablespace, mayGoOnFromBefore } from '../postgres/tablespace-marks.ts';
import { pageSizeIn } from '../postgres/wal-page.ts';
import { readLastHere } from '../repository/compressed-here.ts';
import { isLookedThrough, lookedToVariable } from '../repository/examined-wal.ts';
import { segmentBeforeIn } from '../repository/segment-before.ts';
import { archivedPath, walFileKind } from '../repository/wal-archive.ts';
import { openRegularFileSync } from '../system/regular-file.ts';

/** Returns an examination for a segment that the restore has not examined; undefined for every other file. */
export function examineSegment(name: string, clusterDirectory: string): SegmentExamination | undefined {
  const lookedTo = process.env[lookedToVariable];
  if (lookedTo === undefined || walFileKind(name) !== 'segment' || isLookedThrough(name, lookedTo))
    return undefined;
  return new SegmentExamination(name, clusterDirectory);
}

/** Examines the content of one segment, part by part. */
export class SegmentExamination {
  readonly #name: string;
  readonly #clusterDirectory: string;
  #pageSize: number | undefined;
  #isSuspect = false;

  constructor(name: string, clusterDirectory: string) {
    this.#name = name;
    this.#clusterDirectory = clusterDirectory;
  }

  /** Whether the segment may create a tablespace. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Examines the next part of the segment. The parts have to be in order, beginning with the first. */
  meet(pages: Buffer): void {
    if (this.#pageSize === undefined) {
      this.#pageSize = pageSizeOf(pages);
      if (mayGoOnFromBefore(pages)) this.#isSuspect = this.#mayBeginBefore(pages);
    }
    this.#isSuspect ||= mayCreateTablespace(pages, this.#pageSize);
  }

  #mayBeginBefore(pages: Buffer): boolean {
    try {
      const size = pages.readUInt32LE(32);
      const before = segmentBeforeIn(this.#clusterDirectory, this.#name, size);
      if (before === undefined) return false;
      const file = openRegularFileSync(archivedPath(this.#clusterDirectory, before));
      try {
        // Such a record fits into the last four pages, and usually the rest of a page is small.
        const pageSize = pageSizeOf(pages);
        return mayCreateTablespace(lastPages(readLastHere(file, size), pageSize), pageSize);
      } finally {
        closeSync(file);
      }
    } catch {
      return false;
    }
  }
}

/** PostgreSQL's default where the header has no valid size. */
function pageSizeOf(pages: Buffer): number {
  return pageSizeIn(pages) ?? 8192;
}

function lastPages(content: Buffer, pageSize: number): Buffer {
  return content.subarray(Math.max(0, content.length - 4 * pageSize));
}
