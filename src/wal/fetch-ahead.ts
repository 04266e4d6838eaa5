/**
 * Reads ahead of replay, in a process of its own: keeps the next segments ready in the spool, follows replay when it
 * goes elsewhere, and removes the spool when recovery is over, its server has gone, or nothing is taken any more.
 */
import { existsSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseSegmentName, segmentName } from '../postgres/wal-segment.ts';
import { isAlive } from '../repository/place-file.ts';
import { archivedPath } from '../repository/wal-archive.ts';
import { requireIdentity, writeSegment } from './fetch.ts';
import { isRecovering, readOwner, readWanted, readySegments, type SpoolOwner } from './spool.ts';

export interface FetchAheadOptions {
  spool: string;
  /** What replay has just got. */
  after: string;
  /** Segments. */
  ahead: number;
}

/** Milliseconds. */
const pollEvery = 20;
const idleWithNothing = 5000;
const idleWithSome = 60_000;

export async function fetchAhead({ spool, after, ahead }: FetchAheadOptions): Promise<void> {
  const owner = await untilOwner(spool);
  if (owner === undefined) return;
  const identity = await requireIdentity(owner.clusterDirectory);
  const successor = (name: string) => nextSegment(name, identity.walSegmentSize);
  let next = successor(after);
  let wanted: string | undefined;
  let idleSince = performance.now();
  let taken = 0;
  while (await isOurs(spool, owner)) {
    const ready = await readySegments(spool);
    if (ready.length !== taken) idleSince = performance.now();
    taken = ready.length;
    const now = await readWanted(spool);
    if (now !== undefined && now !== wanted) {
      wanted = now;
      next = await follow(spool, ready, successor(now), next);
    }
    const names = [next, successor(next)].slice(0, Math.max(0, ahead - ready.length));
    const made = await makeAllReady(spool, owner, names, identity);
    for (let count = 0; count < made; count += 1) next = successor(next);
    if (made > 0) continue;
    if (performance.now() - idleSince > (ready.length > 0 ? idleWithSome : idleWithNothing)) break;
    await sleep(pollEvery);
  }
  if ((await readOwner(spool))?.pid === owner.pid) await rm(spool, { recursive: true, force: true });
}

/** The fetch that started this process gives it the spool; undefined: it has not. */
async function untilOwner(spool: string): Promise<SpoolOwner | undefined> {
  for (let waited = 0; waited < idleWithNothing; waited += pollEvery) {
    const owner = await readOwner(spool);
    if (owner?.pid === process.pid) return owner;
    await sleep(pollEvery);
  }
  return undefined;
}

function nextSegment(name: string, segmentSize: number): string {
  const { timeline, number } = parseSegmentName(name, segmentSize);
  return segmentName({ timeline, number: number + 1n }, segmentSize);
}

/** For as long as the spool is this process's, and there is somebody to read ahead for. */
async function isOurs(spool: string, owner: SpoolOwner): Promise<boolean> {
  const walDirectory = dirname(spool);
  if ((await readOwner(spool))?.pid !== owner.pid || !isRecovering(walDirectory)) return false;
  const [postmaster] = (
    await readFile(join(dirname(walDirectory), 'postmaster.pid'), 'utf8').catch(() => '')
  ).split('\n');
  return isAlive(Number(postmaster) || -1);
}

/** Replay went on to `wanted`: where that is not what comes next here, what is ready is of no use. */
async function follow(spool: string, ready: string[], wanted: string, next: string): Promise<string> {
  const useless = ready.includes(wanted) ? ready.filter((name) => name < wanted) : ready;
  if (wanted !== next) await Promise.all(useless.map((name) => rm(join(spool, name), { force: true })));
  return ready.includes(wanted) || wanted === next ? next : wanted;
}

type Identity = Parameters<typeof writeSegment>[2]['identity'];

/** At the same time, as one is decompressed while another is written; how many of the first are ready. */
async function makeAllReady(
  spool: string,
  owner: SpoolOwner,
  names: readonly string[],
  identity: Identity,
): Promise<number> {
  const [first] = names;
  // Behind one that is not there yet, nothing is of use.
  if (first === undefined || !existsSync(archivedPath(owner.clusterDirectory, first))) return 0;
  const made = await Promise.all(names.map((name) => makeReady(spool, owner, name, identity)));
  return made.includes(false) ? made.indexOf(false) : made.length;
}

/** false: there is none, or it cannot be had; the fetch that needs it will say why. */
async function makeReady(
  spool: string,
  owner: SpoolOwner,
  name: string,
  identity: Identity,
): Promise<boolean> {
  const archived = archivedPath(owner.clusterDirectory, name);
  if (!existsSync(archived)) return false;
  const temporary = join(spool, `${name}.fetching`);
  try {
    const source = await open(archived, 'r');
    try {
      const target = await open(temporary, 'w', 0o600);
      try {
        await writeSegment(source, target, { name, archived, identity });
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
    await rename(temporary, join(spool, name));
    return true;
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
    return false;
  }
}
