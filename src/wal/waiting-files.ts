/**
 * Lists the files that wait for the archiver, in the archiver's order (src/backend/postmaster/pgarch.c:
 * ready_file_comparator).
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { walFileKind } from '../repository/wal-archive.ts';

const ready = '.ready';

/**
 * Returns the names with a .ready file: timeline history files first, then the others by name. A file that becomes
 * ready during a directory scan may be missed, while a later one is found. Therefore the directory is read twice, and
 * the list ends before the first name that the first scan has not found.
 */
export async function waitingFiles(walDirectory: string): Promise<string[]> {
  const first = new Set(await readyNames(walDirectory));
  const waiting = (await readyNames(walDirectory)).sort(asTheArchiver);
  const end = waiting.findIndex((name) => !first.has(name));
  return end < 0 ? waiting : waiting.slice(0, end);
}

/** Whether a file waits for the archiver. */
export function isWaiting(walDirectory: string, name: string): boolean {
  return existsSync(join(walDirectory, 'archive_status', `${name}${ready}`));
}

/**
 * Returns the beginning of `waiting` up to the first gap: consecutive segments on one timeline, and history files.
 */
export async function inSequence(walDirectory: string, waiting: readonly string[]): Promise<string[]> {
  const sequence: string[] = [];
  let before: string | undefined;
  for (const name of waiting) {
    if (walFileKind(name) === 'segment') {
      if (before !== undefined && !(await follows(walDirectory, name, before))) break;
      before = name;
    }
    sequence.push(name);
  }
  return sequence;
}

async function follows(walDirectory: string, name: string, before: string): Promise<boolean> {
  const { size } = (await stat(join(walDirectory, before)).catch(() => undefined)) ?? { size: 0 };
  if (size < 1 << 20 || size > 1 << 30) return false; // not a segment, so no segment can follow
  const { timeline, number } = parseSegmentName(before, size);
  return name === segmentName({ timeline, number: number + 1n }, size);
}

async function readyNames(walDirectory: string): Promise<string[]> {
  const names = await readdir(join(walDirectory, 'archive_status'));
  return names
    .filter((name) => name.endsWith(ready))
    .map((name) => name.slice(0, -ready.length))
    .filter((name) => walFileKind(name) !== undefined);
}

function asTheArchiver(a: string, b: string): number {
  const [historyA, historyB] = [a, b].map((name) => walFileKind(name) === 'timeline history');
  if (historyA !== historyB) return historyA === true ? -1 : 1;
  return a < b ? -1 : 1;
}
