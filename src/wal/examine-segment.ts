/**
 * Looks at a segment that is fetched for a server which a restore has made: whether it may create a tablespace, which
 * the restore has not seen coming (recovery/fetched-tablespaces.ts judges it). It must cost next to nothing, and WAL
 * that cannot be read is no matter of its own: replay says what is wrong with it.
 */
import { closeSync, openSync } from 'node:fs';
import { mayCreateTablespace, mayGoOnFromBefore } from '../postgres/tablespace-marks.ts';
import { readLastHere } from '../repository/compressed-here.ts';
import { isLookedThrough, lookedToVariable } from '../repository/examined-wal.ts';
import { segmentBeforeIn } from '../repository/segment-before.ts';
import { archivedPath, walFileKind } from '../repository/wal-archive.ts';

/** undefined: there is nothing to look at. */
export function examineSegment(name: string, clusterDirectory: string): SegmentExamination | undefined {
  const lookedTo = process.env[lookedToVariable];
  if (lookedTo === undefined || walFileKind(name) !== 'segment' || isLookedThrough(name, lookedTo))
    return undefined;
  return new SegmentExamination(name, clusterDirectory);
}

export class SegmentExamination {
  readonly #name: string;
  readonly #clusterDirectory: string;
  #pageSize: number | undefined;
  #isSuspect = false;

  constructor(name: string, clusterDirectory: string) {
    this.#name = name;
    this.#clusterDirectory = clusterDirectory;
  }

  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** One part after the other, from the first on. */
  meet(pages: Buffer): void {
    if (this.#pageSize === undefined) {
      this.#pageSize = pageSizeIn(pages);
      if (mayGoOnFromBefore(pages)) this.#isSuspect = this.#mayBeginBefore(pages);
    }
    this.#isSuspect ||= mayCreateTablespace(pages, this.#pageSize);
  }

  #mayBeginBefore(pages: Buffer): boolean {
    try {
      const size = pages.readUInt32LE(32);
      const before = segmentBeforeIn(this.#clusterDirectory, this.#name, size);
      if (before === undefined) return false;
      const file = openSync(archivedPath(this.#clusterDirectory, before), 'r');
      try {
        // It is not longer than that, and the rest of the page is small.
        return mayCreateTablespace(lastPages(readLastHere(file, size), pageSizeIn(pages)), pageSizeIn(pages));
      } finally {
        closeSync(file);
      }
    } catch {
      return false;
    }
  }
}

/** XLogLongPageHeaderData: xlp_xlog_blcksz; anything that works where there is none. */
function pageSizeIn(pages: Buffer): number {
  const size = pages.length < 40 ? 0 : pages.readUInt32LE(36);
  return size >= 1024 && size <= 65_536 && (size & (size - 1)) === 0 ? size : 8192;
}

function lastPages(content: Buffer, pageSize: number): Buffer {
  return content.subarray(Math.max(0, content.length - 4 * pageSize));
}
