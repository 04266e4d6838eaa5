/** What waits for the archiver, in the order in which it takes it (src/backend/postmaster/pgarch.c: ready_file_comparator). */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { walFileKind } from '../repository/wal-archive.ts';

const ready = '.ready';

/**
 * Histories first, then by name. What is ready while a directory is read may be missed, and what is ready after it
 * found; so it is read twice, and what the first reading has not found ends the second one's.
 */
export async function waitingFiles(walDirectory: string): Promise<string[]> {
  const first = new Set(await readyNames(walDirectory));
  const waiting = (await readyNames(walDirectory)).sort(asTheArchiver);
  const end = waiting.findIndex((name) => !first.has(name));
  return end < 0 ? waiting : waiting.slice(0, end);
}

export function isWaiting(walDirectory: string, name: string): boolean {
  return existsSync(join(walDirectory, 'archive_status', `${name}${ready}`));
}

/** From the first one on, for as long as segments follow each other on one timeline. */
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
  if (size < 1 << 20 || size > 1 << 30) return false; // no segment, and so nothing that can be followed
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
