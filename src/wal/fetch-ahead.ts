/**
 * Prefetches segments ahead of replay, in a separate process. Keeps the next segments ready in the spool, and follows
 * replay to another segment or timeline. Removes the spool when recovery is over, the server has stopped, or no
 * segment has been taken for a while.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { isDeepStrictEqual } from 'node:util';
import { thisProcess } from '../system/process-identity.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { leaseVariable, renewLease } from '../repository/renew-lease.ts';
import { requireIdentity } from './fetch-segment.ts';
import { SegmentPrefetcher } from './segment-prefetcher.ts';
import { serverRuns } from './server-state.ts';
import { isRecovering, readSpoolOwner, readRequested, prefetchedSegments, type SpoolOwner } from './spool.ts';

/** Options of the prefetch process. */
export interface FetchAheadOptions {
  /** The spool directory (see spool.ts). */
  spool: string;
  /** The segment that replay has just received. */
  after: string;
  /** Segments to keep ready. */
  ahead: number;
}

/** Milliseconds. */
const pollEvery = 20;
const retryEvery = 500;
const renewEvery = 60_000;
// Milliseconds without a change after which the process ends: with an empty spool, and with prefetched segments.
const idleWithNothing = 5000;
const idleWithSome = 60_000;

/**
 * Runs until there is nothing left to prefetch for. Ends at once where the fetch that started this process does not
 * hand over the spool.
 */
export async function fetchAhead({ spool, after, ahead }: FetchAheadOptions): Promise<void> {
  const owner = await untilOwner(spool);
  if (owner === undefined) return;
  const { clusterDirectory } = owner;
  const identity = await requireIdentity(clusterDirectory);
  const makers = new SegmentPrefetcher({ spool, clusterDirectory, identity });
  try {
    await keepReady({ spool, owner, ahead, makers, segmentSize: identity.walSegmentSize }, after);
  } finally {
    await makers.end();
  }
  if (await isThisProcess(spool)) await rm(spool, { recursive: true, force: true });
}

interface Reading {
  spool: string;
  owner: SpoolOwner;
  ahead: number;
  makers: SegmentPrefetcher;
  segmentSize: number;
}

async function keepReady(reading: Reading, after: string): Promise<void> {
  const { spool, makers, segmentSize } = reading;
  let next = nextSegment(after, segmentSize);
  let wanted: string | undefined;
  let idleSince = performance.now();
  let taken = 0;
  let renewed = performance.now();
  while (await isOurs(spool)) {
    const now = await readRequested(spool);
    if (now !== undefined && now !== wanted) {
      wanted = now;
      next = await follow(spool, makers, nextSegment(now, segmentSize), next);
    }
    const ready = await prefetchedSegments(spool);
    if (ready.length !== taken) idleSince = performance.now();
    if (ready.length < taken && performance.now() - renewed > renewEvery) {
      renewed = performance.now();
      const lease = process.env[leaseVariable] ?? '';
      await renewLease(reading.owner.clusterDirectory, lease, dirname(dirname(spool)));
    }
    taken = ready.length;
    next = beginMore(reading, ready, next);
    if (makers.names.length > 0) {
      const failed = await makers.oneDone();
      if (failed === undefined) continue;
      next = failed;
      await sleep(retryEvery);
    }
    if (performance.now() - idleSince > (ready.length > 0 ? idleWithSome : idleWithNothing)) break;
    await sleep(pollEvery);
  }
}

/** Starts as many segments as allowed; returns the name of the segment behind them. */
function beginMore(reading: Reading, ready: readonly string[], next: string): string {
  const { owner, ahead, makers, segmentSize } = reading;
  let name = next;
  for (
    ;
    makers.hasRoom && ready.length + makers.names.length < ahead;
    name = nextSegment(name, segmentSize)
  ) {
    if (ready.includes(name) || makers.names.includes(name)) continue;
    // The segments behind a missing one are of no use.
    if (!existsSync(archivedPath(owner.clusterDirectory, name))) break;
    makers.begin(name);
  }
  return name;
}

/**
 * Waits until the fetch that started this process has written the owner file; undefined where that does not happen.
 */
async function untilOwner(spool: string): Promise<SpoolOwner | undefined> {
  for (const end = performance.now() + idleWithNothing; performance.now() < end; await sleep(pollEvery)) {
    if (await isThisProcess(spool)) return readSpoolOwner(spool);
  }
  return undefined;
}

function nextSegment(name: string, segmentSize: number): string {
  const { timeline, number } = parseSegmentName(name, segmentSize);
  return segmentName({ timeline, number: number + 1n }, segmentSize);
}

/** Whether the spool belongs to this process and a server is in recovery. */
async function isOurs(spool: string): Promise<boolean> {
  const walDirectory = dirname(spool);
  if (!(await isThisProcess(spool)) || !isRecovering(walDirectory)) return false;
  return serverRuns(dirname(walDirectory));
}

async function isThisProcess(spool: string): Promise<boolean> {
  return isDeepStrictEqual((await readSpoolOwner(spool))?.process, thisProcess());
}

/**
 * Follows replay, which has received the segment before `wanted`. Removes the segments that are no longer needed, and
 * returns the next segment to prefetch.
 */
async function follow(
  spool: string,
  makers: SegmentPrefetcher,
  wanted: string,
  next: string,
): Promise<string> {
  const isOnItsWay = [...(await prefetchedSegments(spool)), ...makers.names, next].includes(wanted);
  if (!isOnItsWay) await makers.allDone();
  const ready = await prefetchedSegments(spool);
  // After a jump of replay, all prefetched segments are of no use.
  const useless = isOnItsWay ? ready.filter((name) => name < wanted) : ready;
  await Promise.all(useless.map((name) => rm(join(spool, name), { force: true })));
  return isOnItsWay ? next : wanted;
}
