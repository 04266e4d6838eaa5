// Random pasts, policies, holds and clocks: whatever a policy promises stays restorable, and nothing stays without a
// reason that is true. What can be restored is told by world.ts, which shares nothing with the decision.
import test, { type ExecutionContext } from 'ava';
import { parseTimelineHistory } from '../../src/postgres/timeline-history.ts';
import { formatLsn } from '../../src/postgres/lsn.ts';
import { segmentName } from '../../src/postgres/wal-segment.ts';
import {
  decideBackups,
  type Candidate,
  type Decided,
  type Rules,
} from '../../src/retention/decide-backups.ts';
import { decideWal, type DecidedFile } from '../../src/retention/decide-wal.ts';
import { timelinesToReach } from '../../src/retention/reach.ts';
import {
  filesOf,
  findsTimeline,
  historyOf,
  hour,
  lineageOf,
  makeWorld,
  pick,
  randomFrom,
  replays,
  restoresByItself,
  segmentSize,
  stateAt,
  type Made,
  type Random,
  type Target,
  type World,
} from './world.ts';

const histories = Number(process.env['RETENTION_HISTORIES'] ?? 100);
const day = 24 * hour;
const minute = 60_000;
/** What clocks are wrong by at most, and what the window is longer for that. */
const skew = 4 * minute;
const margin = 10 * minute;
const systemIdentifier = '7412345678901234567';

interface Case {
  world: World;
  now: number;
  /** When the window begins, in truth; undefined: the policy has none. */
  since: number | undefined;
  rules: Rules;
  backups: (Candidate & { made: Made })[];
  decided: Decided<Candidate & { made: Made }>[];
  wal: DecidedFile[];
  before: Set<string>;
  after: Set<string>;
}

function makeCase(seed: number, losses: number): Case {
  const random = randomFrom(seed);
  const world = makeWorld(random, losses);
  const wrong = () => (random() * 2 - 1) * skew;
  const maybe = <T>(value: () => T): T | null => (random() < 0.4 ? value() : null);
  // The clock that decides may have been set back, or far ahead.
  const now = world.end + pick([hour / 2, hour / 2, 20 * day, -3 * day, 3650 * day], random);
  const since = maybe(() => now - Math.floor(random() ** 2 * 60) * day - hour / 3) ?? undefined;
  const rules: Rules = {
    keepLast: maybe(() => 1 + Math.floor(random() * 6)) ?? (since === undefined ? 2 : null), // one rule there is
    keepDaily: maybe(() => 1 + Math.floor(random() * 7)),
    keepWeekly: maybe(() => 1 + Math.floor(random() * 5)),
    keepMonthly: maybe(() => 1 + Math.floor(random() * 4)),
    timeZone: pick(['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu'], random),
    keepSince: maybe(() => new Date(now - Math.floor(random() * 40) * day - hour / 3)),
    recoverSince: since === undefined ? null : new Date(since - margin),
  };
  const backups = world.backups.map((made) => candidateOf(made, random, wrong));
  const before = filesOf(world);
  const files = [...before].sort();
  const known = new Map(
    world.timelines.slice(1).map((timeline) => [timeline.number, historyTextOf(timeline)]),
  );
  const parsed = new Map(
    [...known].map(([number, text]) => [number, parseTimelineHistory(Buffer.from(text))]),
  );
  const archivedAt = new Map<number, Date>();
  for (const [name, time] of [...world.archive].sort(([, a], [, b]) => a - b))
    archivedAt.set(Number.parseInt(name.slice(0, 8), 16), new Date(time + wrong()));
  const timelines = timelinesToReach({
    files,
    histories: parsed,
    archivedAt,
    backups,
    underWay: [],
    recoverSince: rules.recoverSince,
  });
  const branches = timelines.map((timeline) => ({ timeline, histories: parsed, systemIdentifier }));
  const decided = decideBackups(backups, rules, branches);
  const staying = decided.filter(({ goes }) => !goes);
  const wal = decideWal({ files, histories: parsed, staying, underWay: [], timelines, segmentSize });
  const after = new Set(wal.filter(({ goes }) => !goes).map(({ file }) => file));
  return { world, now, since, rules, backups, decided, wal, before, after };
}

function candidateOf(made: Made, random: Random, wrong: () => number): Candidate & { made: Made } {
  const segment = (lsn: bigint) =>
    segmentName({ timeline: made.on.number, number: lsn / BigInt(segmentSize) }, segmentSize);
  return {
    name: `backup-${made.id}`,
    id: made.id,
    method: random() < 0.8 ? 'copy' : 'hold',
    systemIdentifier,
    timeline: made.on.number,
    startLsn: made.start,
    stopLsn: made.stop,
    startWal: segment(made.start),
    stopWal: segment(made.stop - 1n),
    stoppedAt: new Date(made.stopped + wrong()),
    isSound: random() < 0.95,
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

const of = (one: { backup: Candidate & { made: Made } }) => one.backup.made;

/** The moments that are looked at: the beginning of the window and its end, and some in between. */
function momentsOf({ since, now, world }: Case, random: Random): number[] {
  if (since === undefined) return [];
  const latest = Math.min(now, world.end);
  if (latest < since) return [now];
  return [since, latest, ...Array.from({ length: 12 }, () => since + random() * (latest - since))];
}

function checkPromises(t: ExecutionContext, it: Case, seed: number): void {
  const { world, decided, backups, before, after } = it;
  const staying = decided.filter(({ goes }) => !goes);
  const sound = backups.filter(({ isSound }) => isSound).map(({ made }) => made);
  const soundThatStay = staying.filter(({ backup }) => backup.isSound).map(of);
  const isPromised = (target: Target) => sound.some((made) => replays(made, target, before));
  const holds = (target: Target) => soundThatStay.some((made) => replays(made, target, after));

  for (const { held, name } of backups)
    if (held.length > 0)
      t.true(
        staying.some(({ backup }) => backup.name === name),
        `${seed}: ${name} is kept`,
      );
  for (const one of staying)
    if (restoresByItself(of(one), before))
      t.true(restoresByItself(of(one), after), `${seed}: ${one.backup.name} restores by itself`);

  const newest = backups.toSorted((a, b) => b.stoppedAt.getTime() - a.stoppedAt.getTime())[0];
  if (newest)
    t.true(
      staying.some(({ backup }) => backup === newest),
      `${seed}: the newest stays`,
    );

  // The present, wherever it is.
  const current = world.timelines.at(-1);
  const end = current && stateAt(current, world.end);
  if (end && isPromised(end)) {
    t.true(holds(end), `${seed}: the end of the newest timeline`);
    const from = soundThatStay.find((made) => replays(made, end, after));
    if (from) t.true(findsTimeline(from.on, end.on, after), `${seed}: the newest timeline is found`);
  }

  // Every moment of the window, on every timeline that was written at that time.
  for (const moment of momentsOf(it, randomFrom(seed + 1))) {
    for (const timeline of world.timelines) {
      const target = stateAt(timeline, moment);
      const isInUse = timeline === current || (timeline.written.at(-1)?.time ?? 0) >= moment;
      if (target && isInUse && isArchivedSince(it, target) && isPromised(target))
        t.true(holds(target), `${seed}: timeline ${timeline.number} at ${new Date(moment).toISOString()}`);
    }
  }
  for (const timeline of world.timelines.slice(1)) {
    const [begun] = timeline.written;
    if (begun === undefined || it.since === undefined || it.since > begun.time) continue;
    const target = { on: timeline, lsn: begun.lsn }; // before anything of it was archived
    if (isArchivedSince(it, target) && isPromised(target))
      t.true(holds(target), `${seed}: the beginning of timeline ${timeline.number}`);
  }
  // Without a window: whatever a backup that stays could be rolled forward to.
  if (it.since === undefined) {
    for (const one of staying)
      for (const timeline of world.timelines)
        for (const { lsn } of [...timeline.written.slice(0, 1), ...timeline.written.slice(-4)]) {
          const target = { on: timeline, lsn };
          if (replays(of(one), target, before))
            t.true(
              replays(of(one), target, after),
              `${seed}: ${one.backup.name} to timeline ${timeline.number}`,
            );
        }
  }
}

/** A timeline that nothing was archived of within the window has nothing of the window in the archive. */
function isArchivedSince({ world, since = 0 }: Case, { on }: Target): boolean {
  if (on === world.timelines.at(-1)) return true;
  const times = [...world.archive].filter(([name]) => Number.parseInt(name.slice(0, 8), 16) === on.number);
  return times.some(([, time]) => time >= since);
}

/** Each segment that stays is one without which a backup that stays would reach less. */
function checkNothingTooMuch(t: ExecutionContext, it: Case, seed: number): void {
  const { world, decided, wal, after } = it;
  const staying = decided.filter(({ goes }) => !goes);
  if (staying.length === 0) return;
  const ends = world.timelines.map((timeline) => ({ on: timeline, lsn: endOf(it, timeline.number) }));
  for (const { file, goes, reason } of wal) {
    if (goes || file.endsWith('.history') || reason.startsWith('no backup leads to')) continue;
    const without = new Set(after);
    without.delete(file);
    const isMissed = staying.some(
      (one) =>
        (restoresByItself(of(one), after) && !restoresByItself(of(one), without)) ||
        (one.rollsForward &&
          ends.some((target) => replays(of(one), target, after) && !replays(of(one), target, without))),
    );
    t.true(isMissed || isSwitch(world, file), `${seed}: ${file} stays: ${reason}`);
  }
  const lowest = Math.min(...staying.map(({ backup }) => backup.timeline));
  for (const timeline of world.timelines.slice(1)) {
    const isThere = after.has(historyOf(timeline));
    if (timeline.number < lowest && isThere)
      t.true(
        [...after].some(
          (file) => !file.endsWith('.history') && Number.parseInt(file.slice(0, 8), 16) <= timeline.number,
        ),
        `${seed}: ${historyOf(timeline)}`,
      );
  }
}

/** Where the archive of a timeline ends. */
function endOf({ after }: Case, timeline: number): bigint {
  const last = [...after]
    .filter((file) => !file.endsWith('.history') && Number.parseInt(file.slice(0, 8), 16) === timeline)
    .sort()
    .at(-1);
  return last === undefined ? 0n : (numberOf(last) + 1n) * BigInt(segmentSize);
}

function numberOf(file: string): bigint {
  return BigInt(`0x${file.slice(8, 16)}`) * 256n + BigInt(`0x${file.slice(16, 24)}`);
}

/** A segment in which a timeline was left: it is on both. */
function isSwitch({ timelines }: World, file: string): boolean {
  return timelines.some(
    ({ from, parent }) =>
      parent?.number === Number.parseInt(file.slice(0, 8), 16) &&
      from / BigInt(segmentSize) === numberOf(file),
  );
}

/** Each reason that is given is held against the policy, in its own way. */
function checkReasons(t: ExecutionContext, it: Case, seed: number): void {
  const { decided, rules, backups, world, since } = it;
  const younger = (than: Candidate) =>
    backups.filter((other) => other.isSound && other.stoppedAt.getTime() > than.stoppedAt.getTime());
  const isTrue: [RegExp, (backup: Candidate & { made: Made }, match: string[]) => boolean][] = [
    [/^keep is set$/, ({ held }) => held.length > 0],
    [/^it is the newest$/, ({ stoppedAt }) => backups.every((other) => other.stoppedAt <= stoppedAt)],
    [/^it is the newest that is sound$/, (backup) => backup.isSound && younger(backup).length === 0],
    [
      /^it is the newest sound one in the repository$/,
      (backup) => younger(backup).every(({ method }) => method !== 'copy'),
    ],
    [/^it is one of the last (\d+)$/, (backup) => younger(backup).length < Number(rules.keepLast)],
    [/^it is within recovery_window$/, ({ made }) => made.stopped > (since ?? 0) - margin - skew],
    [/^it is within keep_within$/, ({ made }) => made.stopped > Number(rules.keepSince) - skew],
    [
      /^it is the newest of the (day|week|month) (\S+)$/,
      (backup, [, what = '']) => {
        const period = (one: Candidate) => periodOf(one.stoppedAt, what, rules.timeZone);
        const later = younger(backup);
        const count = { day: rules.keepDaily, week: rules.keepWeekly, month: rules.keepMonthly }[what] ?? 0;
        return (
          later.every((one) => period(one) !== period(backup)) && new Set(later.map(period)).size < count
        );
      },
    ],
    [
      /^it is the newest that leads to timeline (\d+)$/,
      (backup, [, number]) =>
        leads(world, backup, Number(number)) && later(it, backup, Number(number)).length === 0,
    ],
    [
      /^recovery_window begins with it on timeline (\d+)$/,
      (backup, [, number]) =>
        leads(world, backup, Number(number)) &&
        backup.made.stopped <= (since ?? 0) + skew &&
        later(it, backup, Number(number)).every(({ stopped }) => stopped > (since ?? 0) - margin - skew),
    ],
  ];
  for (const { backup, goes, reasons } of decided) {
    t.true(
      reasons.length > 0 && reasons.every((reason) => reason !== ''),
      `${seed}: ${backup.name} has a reason`,
    );
    if (goes) continue;
    for (const reason of reasons) {
      const rule = isTrue.find(([pattern]) => pattern.test(reason));
      const match = rule?.[0].exec(reason) ?? [];
      t.true(rule?.[1](backup, [...match]), `${seed}: ${backup.name}: ${reason}`);
    }
  }
}

/** Whatever a rule speaks for stays. */
function checkRules(t: ExecutionContext, { decided, rules, backups }: Case, seed: number): void {
  for (const { backup, goes } of decided) {
    if (!goes) continue;
    const newer = backups.filter((other) => other.isSound && other.stoppedAt > backup.stoppedAt);
    const isFirstOf = (what: string, count: number | null) => {
      const period = (one: Candidate) => periodOf(one.stoppedAt, what, rules.timeZone);
      const others = new Set(newer.map(period));
      return !others.has(period(backup)) && others.size < (count ?? 0);
    };
    const age = backup.stoppedAt.getTime();
    t.false(age > Number(rules.keepSince ?? Infinity), `${seed}: ${backup.name} is young`);
    t.false(age > Number(rules.recoverSince ?? Infinity), `${seed}: ${backup.name} is in the window`);
    if (!backup.isSound) continue;
    t.true(newer.length >= (rules.keepLast ?? 0), `${seed}: ${backup.name} is one of the last`);
    t.false(isFirstOf('day', rules.keepDaily), `${seed}: ${backup.name} is of its day`);
    t.false(isFirstOf('week', rules.keepWeekly), `${seed}: ${backup.name} is of its week`);
    t.false(isFirstOf('month', rules.keepMonthly), `${seed}: ${backup.name} is of its month`);
  }
}

function leads({ timelines }: World, { made }: { made: Made }, number: number): boolean {
  const line = lineageOf(timelines[number - 1] as World['timelines'][number]);
  const next = line.find(({ parent }) => parent === made.on);
  return line.includes(made.on) && (next === undefined || made.stop <= next.from);
}

/** Those of its kind that lead there and end after it. */
function later({ backups, world }: Case, than: Candidate, timeline: number): Made[] {
  return backups
    .filter((other) => other.isSound && other.stopLsn > than.stopLsn && leads(world, other, timeline))
    .filter(({ method }) => method === 'copy' || than.method !== 'copy')
    .map(({ made }) => made);
}

function periodOf(time: Date, what: string, timeZone: string): string {
  const local = time.toLocaleDateString('sv-SE', { timeZone });
  if (what === 'month') return local.slice(0, 7);
  if (what === 'day') return local;
  return String(Math.floor((Date.parse(local) / day + 3) / 7));
}

test('whatever is promised stays restorable, and every reason is true', (t) => {
  for (let seed = 1; seed <= histories; seed += 1) {
    const it = makeCase(seed, seed % 3 === 0 ? 0.03 : 0);
    checkPromises(t, it, seed);
    checkRules(t, it, seed);
    checkReasons(t, it, seed);
  }
});

test('where nothing is missing, nothing stays that nobody needs', (t) => {
  let gone = 0;
  for (let seed = 1; seed <= histories; seed += 1) {
    const it = makeCase(seed, 0);
    checkNothingTooMuch(t, it, seed);
    gone += it.wal.filter(({ goes }) => goes).length;
  }
  t.true(gone > histories, `only ${gone} files went`);
});
