// A made-up past of a cluster: WAL on several timelines, backups of it, and what can be restored from which files.
// Says so from how the past went, and knows nothing of history files, policies and decisions.
import { segmentName } from '../../src/postgres/wal-segment.ts';

export const segmentSize = 16 * 1024 * 1024;
export const hour = 3_600_000;
const size = BigInt(segmentSize);

export type Random = () => number;

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Timeline {
  number: number;
  parent: Timeline | undefined;
  /** Where it left its parent. */
  from: bigint;
  /** How far it had been written when. */
  written: { time: number; lsn: bigint }[];
}

export interface Made {
  id: number;
  on: Timeline;
  start: bigint;
  stop: bigint;
  /** True time of its end. */
  stopped: number;
}

export interface World {
  timelines: Timeline[];
  backups: Made[];
  /** Archived segments: when. */
  archive: Map<string, number>;
  end: number;
}

export interface Target {
  on: Timeline;
  lsn: bigint;
}

/** `losses`: the chance that a segment never reaches the archive. */
export function makeWorld(random: Random, losses: number): World {
  const first: Timeline = { number: 1, parent: undefined, from: 0n, written: [] };
  const world: World = { timelines: [first], backups: [], archive: new Map(), end: 0 };
  let on = first;
  let lsn = size;
  let time = Date.UTC(2026, Math.floor(random() * 12), 1);
  const moveTo = (to: bigint) => {
    const before = lsn;
    lsn = to;
    for (let number = before / size; (number + 1n) * size <= lsn; number += 1n)
      if (random() >= losses)
        world.archive.set(segmentName({ timeline: on.number, number }, segmentSize), time);
    on.written.push({ time, lsn });
  };
  const write = (most: number) => moveTo(lsn + BigInt(Math.floor(random() * most * segmentSize)) + 8n);
  write(1);
  const steps = 10 + Math.floor(random() * 60);
  for (let step = 0; step < steps; step += 1) {
    time += hour * (1 + Math.floor(random() ** 3 * 72));
    const dice = random();
    if (dice < 0.45) {
      const start = lsn;
      write(1.5);
      time += hour;
      write(0.2);
      world.backups.push({ id: world.backups.length + 1, on, start, stop: lsn, stopped: time });
      moveTo((lsn / size + 1n) * size); // a backup's end switches to the next segment
      time += hour;
    } else if (dice < 0.55 && world.backups.length > 0) {
      // Somebody restores to a moment after a backup, and goes on from there.
      const backup = pick(world.backups, random);
      const reached = backup.on.written.filter((one) => one.lsn >= backup.stop);
      const { lsn: at } = pick(reached, random);
      on = { number: world.timelines.length + 1, parent: backup.on, from: at, written: [{ time, lsn: at }] };
      world.timelines.push(on);
      lsn = at;
      time += hour;
    }
    write(random() < 0.2 ? 6 : 1.5);
  }
  // The server archives a segment that is not full, too, when it is told to switch.
  if (random() < 0.5)
    world.archive.set(segmentName({ timeline: on.number, number: lsn / size }, segmentSize), time);
  world.end = time;
  return world;
}

export function pick<T>(among: readonly T[], random: Random): T {
  return among[Math.floor(random() * among.length)] as T;
}

/** As a restored server would do: from the backup on, segment by segment, along the timelines that led there. */
export function replays(backup: Made, target: Target, files: ReadonlySet<string>): boolean {
  const line = lineageOf(target.on);
  const left = (timeline: Timeline) => line.find(({ parent }) => parent === timeline)?.from;
  const leaves = left(backup.on);
  if (!line.includes(backup.on) || (leaves !== undefined && backup.stop > leaves)) return false;
  if (backup.stop > target.lsn) return false;
  if (target.on.number > 1 && !files.has(historyOf(target.on))) return false;
  for (let number = backup.start / size; number * size < target.lsn; number += 1n) {
    const until = (number + 1n) * size < target.lsn ? (number + 1n) * size : target.lsn;
    const found = line.some((timeline) => {
      const begins = timeline.from / size <= number;
      const end = left(timeline);
      const name = segmentName({ timeline: timeline.number, number }, segmentSize);
      return begins && (end === undefined || end >= until) && files.has(name);
    });
    if (!found) return false;
  }
  return true;
}

/** In truth: what the second one has, the first one has the beginning of. */
export function isBefore(a: Made, b: Made): boolean {
  if (a.on === b.on) return a.id < b.id;
  const next = lineageOf(b.on).find(({ parent }) => parent === a.on);
  return next !== undefined && a.stop <= next.from;
}

/** To its own end, on its own timeline. */
export function restoresByItself(backup: Made, files: ReadonlySet<string>): boolean {
  return replays(backup, { on: backup.on, lsn: backup.stop }, files);
}

/** How far a timeline had come at that time; undefined: it was not there yet. */
export function stateAt(timeline: Timeline, time: number): Target | undefined {
  const last = timeline.written.findLast((one) => one.time <= time);
  return last && { on: timeline, lsn: last.lsn };
}

/** A server that recovers to the newest timeline asks for one history after the other. */
export function findsTimeline(from: Timeline, to: Timeline, files: ReadonlySet<string>): boolean {
  for (let number = from.number + 1; number <= to.number; number += 1)
    if (!files.has(`${number.toString(16).toUpperCase().padStart(8, '0')}.history`)) return false;
  return true;
}

export function historyOf({ number }: Timeline): string {
  return `${number.toString(16).toUpperCase().padStart(8, '0')}.history`;
}

/** What the archive holds: segments, and the history of every timeline but the first. */
export function filesOf(world: World): Set<string> {
  return new Set([...world.archive.keys(), ...world.timelines.slice(1).map(historyOf)]);
}

export function lineageOf(timeline: Timeline): Timeline[] {
  return timeline.parent === undefined ? [timeline] : [...lineageOf(timeline.parent), timeline];
}
