/**
 * frames.jsonl: the position of each zstd frame in the tars, and the tar member with which the frame begins, so that
 * frames can be restored and verified in parallel. One JSON object per line, in the order of the tars, and within a
 * tar in the order of the frames.
 */
import { longestStored } from './zstd-frames.ts';

/** One line of the index. */
export interface FrameEntry {
  /** The file name of the tar. */
  tar: string;
  /** Offset and length of the compressed frame in the tar file. Bytes. */
  offset: number;
  length: number;
  /** Bytes of content. */
  size: number;
  /**
   * The member whose data continues at the beginning of the frame; undefined where the frame begins with a tar
   * header.
   */
  continues?: Continuation;
}

/** A member whose data is split between frames. */
export interface Continuation {
  name: string;
  /** The offset in the member's data at which the frame begins. Bytes. */
  at: number;
  /** Bytes of the member's data from `at` on, without tar's padding; the frame may hold fewer. */
  left: number;
  mode: number;
  /** Bytes of the whole member. */
  size: number;
}

/**
 * Bytes of content. In all releases, a frame of a copy holds 2 MB of file data and a few headers. A larger frame was
 * not written by Holdfast and is refused, to save memory.
 */
export const largestTarFrame = 4 << 20;

/** Formats the line of one frame. */
export function writeFrameIndex(entry: FrameEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Parses the index. @throws RangeError with the number of a malformed line */
export function readFrameIndex(text: string): FrameEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => {
      const entry = parsed(line);
      if (entry === undefined) throw new RangeError(`line ${index + 1} of the frame index is malformed`);
      return entry;
    });
}

function parsed(line: string): FrameEntry | undefined {
  try {
    const entry = JSON.parse(line) as FrameEntry;
    const { tar, offset, length, size, continues } = entry;
    if (typeof tar !== 'string' || ![offset, length, size].every(isAmount)) return undefined;
    if (size > largestTarFrame || length > longestStored(size)) return undefined;
    if (continues !== undefined && !isContinuation(continues)) return undefined;
    return entry;
  } catch {
    return undefined;
  }
}

function isContinuation({ name, at, left, mode, size }: Continuation): boolean {
  return typeof name === 'string' && [at, left, mode, size].every(isAmount);
}

function isAmount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
