/**
 * frames.jsonl: where each zstd frame of the tar files is, and with what it begins, so that they can be restored and
 * verified in parallel. One JSON object a line, in the order of the tars and within a tar in that of the file.
 */
import { longestStored } from './zstd-frames.ts';

export interface FrameEntry {
  /** The tar's file name. */
  tar: string;
  /** Where the frame begins in that file, and how many bytes it has there. */
  offset: number;
  length: number;
  /** Bytes when decompressed. */
  size: number;
  /** The member in whose data it begins; otherwise it begins with a tar header. */
  continues?: Continuation;
}

export interface Continuation {
  name: string;
  /** Where in the member's data the frame begins. */
  at: number;
  /** Bytes of the member's data from there on, without tar's padding; the frame may hold fewer. */
  left: number;
  mode: number;
  /** Bytes of the whole member. */
  size: number;
}

/**
 * Bytes of content. A copy's frames have 2 MB of files and a few headers, in all releases; what says more is not ours,
 * and is not worth the memory.
 */
export const largestTarFrame = 4 << 20;

/** The line of one frame. */
export function writeFrameIndex(entry: FrameEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** @throws RangeError naming the line that is malformed */
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
