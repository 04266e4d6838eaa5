/**
 * Archives what waits for the archiver before its turn comes, so that "wal push" finds it done. The oldest file is
 * left to the archiver, who has it in hand; so where it keeps up there is nothing to do ahead of it.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { walFileKind } from '../repository/wal-archive.ts';
import { TaskThread } from '../thread-tasks.ts';
import { pushWal } from './push.ts';
import { declaredTarget, tidyReceipts, withReceipt, type Target } from './receipts.ts';

export interface AheadOptions {
  dataDirectory: string;
  /** The cluster's directory in this worker's repository. */
  clusterDirectory: string;
  compressLevel: number;
  /** How many segments. */
  ahead: number;
  /** Where many wait, threads of our own archive them: for a process that stays. */
  mayUseThreads?: boolean;
  /** Between two segments, whether to go on. */
  goOn: () => boolean;
}

/**
 * Milliseconds for which a file has to have been left alone before it is read: longer than the granularity of the
 * file system's clock, so that a later write shows.
 */
const settled = 30;

/** Segments that are archived at the same time: one is compressed while another is on its way to the disk. */
const atOnce = 2;
/** Waiting segments for which it is worth while to start threads. */
const many = 6;

/** One look at archive_status and what follows from it; how many segments were archived. */
export async function pushAhead(options: AheadOptions): Promise<number> {
  const { dataDirectory, clusterDirectory, compressLevel } = options;
  const walDirectory = join(dataDirectory, 'pg_wal');
  const target = await declaredTarget(walDirectory);
  if (target?.clusterDirectory !== clusterDirectory || !(await isOurs(dataDirectory))) return 0;
  const taken = new Set<string>();
  const hasMany = options.mayUseThreads === true && (await waitingSegments(walDirectory)).length >= many;
  const lanes = Array.from({ length: atOnce }, async () => {
    const shared = { clusterDirectory, compressLevel };
    const thread = hasMany ? new TaskThread<void>(import.meta.url, 'push-thread', shared) : undefined;
    const push = (path: string) => thread?.do(path) ?? pushWal({ ...shared, path });
    try {
      return await pushInTurn(options, { walDirectory, target, taken, push });
    } finally {
      await thread?.end();
    }
  });
  await Promise.allSettled(lanes); // none is left at work when another has failed
  const pushed = await Promise.all(lanes);
  return pushed.reduce((sum, count) => sum + count, 0);
}

interface Lane {
  walDirectory: string;
  target: Target;
  /** By any of the lanes. */
  taken: Set<string>;
  push: (path: string) => Promise<void>;
}

async function pushInTurn(
  { ahead, goOn }: AheadOptions,
  { walDirectory, target, taken, push }: Lane,
): Promise<number> {
  let pushed = 0;
  while (goOn()) {
    const waiting = await waitingSegments(walDirectory);
    const receipts = await tidyReceipts(walDirectory, new Set(waiting));
    const next = waiting.slice(1, 1 + ahead).find((name) => !receipts.has(name) && !taken.has(name));
    if (next === undefined) break;
    taken.add(next);
    const path = join(walDirectory, next);
    if (!(await settles(path))) continue;
    await withReceipt(path, target, () => push(path));
    pushed += 1;
  }
  return pushed;
}

/** What another user than the server's archived, its "wal push" could not read. */
async function isOurs(dataDirectory: string): Promise<boolean> {
  return (await stat(dataDirectory)).uid === process.geteuid?.();
}

/** In the order in which the archiver takes them. */
async function waitingSegments(walDirectory: string): Promise<string[]> {
  const names = await readdir(join(walDirectory, 'archive_status'));
  return names
    .filter((name) => name.endsWith('.ready'))
    .map((name) => name.slice(0, -'.ready'.length))
    .filter((name) => walFileKind(name) === 'segment')
    .sort();
}

/** false: it is gone. */
async function settles(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return false;
  const age = Date.now() - found.ctimeMs;
  if (age < settled) await sleep(settled - age);
  return true;
}
