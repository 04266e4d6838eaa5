// One random past, with a policy, holds and clocks that are wrong, and what is decided of it.
import { formatLsn } from '../../src/postgres/lsn.ts';
import { parseTimelineHistory } from '../../src/postgres/timeline-history.ts';
import { segmentName } from '../../src/postgres/wal-segment.ts';
import { type ExpiryCandidate } from '../../src/retention/expiry-candidate.ts';
import {
  decideBackups,
  type DecidedBackup,
  type RetentionRules,
} from '../../src/retention/decide-backups.ts';
import { decideWal, type DecidedWalFile } from '../../src/retention/decide-wal.ts';
import { timelinesToReach } from '../../src/retention/timelines-to-reach.ts';
import {
  filesOf,
  historyOf,
  hour,
  lineageOf,
  makeWorld,
  pick,
  randomFrom,
  segmentSize,
  type Made,
  type Random,
  type World,
} from './world.ts';

export const day = 24 * hour;
const minute = 60_000;
/** What clocks are wrong by at most, and what the window is longer for that. */
export const skew = 4 * minute;
export const margin = 10 * minute;
const systemIdentifier = '7412345678901234567';

export interface Case {
  world: World;
  now: number;
  /** When the window begins, in truth; undefined: the policy has none. */
  since: number | undefined;
  rules: RetentionRules;
  backups: (ExpiryCandidate & { made: Made })[];
  decided: DecidedBackup<ExpiryCandidate & { made: Made }>[];
  wal: DecidedWalFile[];
  before: Set<string>;
  after: Set<string>;
}

/**
 * `losesHistory`: the archive lacks the history file of one timeline; whoever has it puts it back afterwards.
 * `misdates`: the clock was wrong by up to 500 days for some time. `chained`: most copies are incremental.
 */
export function makeCase(
  seed: number,
  losses: number,
  {
    losesHistory = false,
    misdates = false,
    chained = false,
  }: { losesHistory?: boolean; misdates?: boolean; chained?: boolean } = {},
): Case {
  const random = randomFrom(seed);
  const world = makeWorld(random, losses);
  const wrong = () => (random() * 2 - 1) * skew;
  const maybe = <T>(value: () => T): T | null => (random() < 0.4 ? value() : null);
  // The clock that decides may have been set back, or far ahead.
  const now = world.end + pick([hour / 2, hour / 2, 20 * day, -3 * day, 3650 * day], random);
  const since = maybe(() => now - Math.floor(random() ** 2 * 60) * day - hour / 3) ?? undefined;
  const rules: RetentionRules = {
    keepLast: maybe(() => 1 + Math.floor(random() * 6)) ?? (since === undefined ? 2 : null), // one rule there is
    keepDaily: maybe(() => 1 + Math.floor(random() * 7)),
    keepWeekly: maybe(() => 1 + Math.floor(random() * 5)),
    keepMonthly: maybe(() => 1 + Math.floor(random() * 4)),
    timeZone: pick(['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu'], random),
    keepSince: maybe(() => new Date(now - Math.floor(random() * 40) * day - hour / 3)),
    recoverSince: since === undefined ? null : new Date(since - margin),
  };
  const health = pick([0.95, 0.95, 0.95, 0.95, 0.3, 0], random);
  const copies = pick([0.8, 0.8, 0.2, 0], random);
  const rightly = world.backups.map((made) => candidateOf(made, random, wrong, health, copies));
  const dated = misdates ? misdated(rightly, randomFrom(-seed - 1)) : rightly;
  const backups = chained ? inChains(dated, randomFrom(-seed - 2)) : dated;
  const before = filesOf(world);
  const lost = losesHistory ? pick(writtenTo(world), randomFrom(-seed)) : undefined;
  const files = [...before].filter((file) => lost === undefined || file !== historyOf(lost)).sort();
  const known = new Map(
    world.timelines
      .slice(1)
      .filter((timeline) => timeline !== lost)
      .map((timeline) => [timeline.number, historyTextOf(timeline)]),
  );
  const parsed = new Map(
    [...known].map(([number, text]) => [number, parseTimelineHistory(Buffer.from(text), number)]),
  );
  const archivedAt = new Map<number, Date>();
  for (const [name, time] of [...world.archive].sort(([, a], [, b]) => a - b))
    archivedAt.set(Number.parseInt(name.slice(0, 8), 16), new Date(time + wrong()));
  const timelines = timelinesToReach({
    files,
    histories: parsed,
    lastUse: { archivedAt, writtenAt: new Map() },
    backups,
    underWay: [],
    recoverSince: rules.recoverSince,
  });
  const branches = timelines.map((timeline) => ({ timeline, histories: parsed, systemIdentifier }));
  const decided = decideBackups(backups, rules, branches);
  const staying = decided.filter(({ goes }) => !goes);
  const wal = decideWal({ files, histories: parsed, staying, underWay: [], timelines, segmentSize });
  const after = new Set(wal.filter(({ goes }) => !goes).map(({ file }) => file));
  if (lost !== undefined) after.add(historyOf(lost));
  return { world, now, since, rules, backups, decided, wal, before, after };
}

function misdated<T extends ExpiryCandidate>(backups: readonly T[], random: Random): T[] {
  const [from, count] = [Math.floor(random() * backups.length), 1 + Math.floor(random() * 5)];
  const by = (random() * 2 - 1) * 500 * day;
  return backups.map((backup, at) =>
    at < from || at >= from + count
      ? backup
      : { ...backup, stoppedAt: new Date(backup.stoppedAt.getTime() + by) },
  );
}

/** Each copy of a timeline stands on one of those before it, unless it is a full one. */
function inChains<T extends ExpiryCandidate>(backups: readonly T[], random: Random): T[] {
  const made: T[] = [];
  for (const backup of backups) {
    const parents = made.filter(({ method, timeline }) => method === 'copy' && timeline === backup.timeline);
    const parent = random() < 0.8 ? parents.at(-1) : parents.length > 0 ? pick(parents, random) : undefined;
    if (backup.method !== 'copy' || parent === undefined || random() < 0.2) made.push(backup);
    else {
      const standsOn = [...(parent.standsOn ?? []), parent.name];
      made.push({ ...backup, standsOn, isSound: backup.isSound && parent.isSound });
    }
  }
  return made;
}

/** Timelines with a parent that something in the archive is of. */
function writtenTo({ timelines, archive, backups }: World): World['timelines'] {
  const archived = new Set([...archive.keys()].map((name) => Number.parseInt(name.slice(0, 8), 16)));
  return timelines.slice(1).filter((one) => archived.has(one.number) || backups.some(({ on }) => on === one));
}

function candidateOf(
  made: Made,
  random: Random,
  wrong: () => number,
  health: number,
  copies: number,
): ExpiryCandidate & { made: Made } {
  const segment = (lsn: bigint) =>
    segmentName({ timeline: made.on.number, number: lsn / BigInt(segmentSize) }, segmentSize);
  return {
    name: `backup-${made.id}`,
    id: made.id,
    method: random() < copies ? 'copy' : 'hold',
    requester: pick(['schedule nightly', 'role alice', 'role bob'], random),
    systemIdentifier,
    timeline: made.on.number,
    startLsn: made.start,
    stopLsn: made.stop,
    startWal: segment(made.start),
    stopWal: segment(made.stop - 1n),
    stoppedAt: new Date(made.stopped + wrong()),
    isSound: random() < health,
    held: random() < 0.08 ? ['keep is set'] : [],
    isRead: random() < 0.03,
    isBegun: false,
    made,
  };
}

function historyTextOf(timeline: World['timelines'][number]): string {
  const line = lineageOf(timeline);
  return line
    .slice(1)
    .map((child) => `${child.parent?.number}\t${formatLsn(child.from)}\tno recovery target specified\n`)
    .join('');
}

/** What was made in that world. */
export const of = (one: { backup: ExpiryCandidate & { made: Made } }) => one.backup.made;
