// Random pasts, policies, holds and clocks: whatever a policy promises stays restorable, and nothing stays without a
// reason that is true. What can be restored is told by world.ts, which shares nothing with the decision.
import test, { type ExecutionContext } from 'ava';
import { makeCase, of, type Case } from './case.ts';
import { checkReasons, checkRules } from './reasons.ts';
import {
  findsTimeline,
  historyOf,
  isBefore,
  randomFrom,
  replays,
  restoresByItself,
  segmentSize,
  stateAt,
  type Random,
  type Target,
  type World,
} from './world.ts';

const histories = Number(process.env['RETENTION_HISTORIES'] ?? 100);
/** The moments that are looked at: the beginning of the window and its end, and some in between. */
function momentsOf({ since, now, world }: Case, random: Random): number[] {
  if (since === undefined) return [];
  const latest = Math.min(now, world.end);
  if (latest < since) return [now];
  return [since, latest, ...Array.from({ length: 12 }, () => since + random() * (latest - since))];
}

function checkPromises(t: ExecutionContext, it: Case, seed: number): void {
  checkKept(t, it, seed);
  checkPresent(t, it, seed);
  checkWindow(t, it, seed);
  if (it.since === undefined) checkRollingForward(t, it, seed);
}

/** Whether it could be restored from a sound backup, and whether it still can. */
function reachIn({ backups, decided, before, after }: Case) {
  const sound = backups.filter(({ isSound }) => isSound).map(({ made }) => made);
  const soundThatStay = decided.filter(({ goes, backup }) => !goes && backup.isSound).map(of);
  return {
    soundThatStay,
    isPromised: (target: Target) => sound.some((made) => replays(made, target, before)),
    holds: (target: Target) => soundThatStay.some((made) => replays(made, target, after)),
  };
}

function checkKept(t: ExecutionContext, { backups, decided, before, after }: Case, seed: number): void {
  const staying = decided.filter(({ goes }) => !goes);
  const stays = (name: string | undefined) => staying.some(({ backup }) => backup.name === name);
  for (const { held, name } of backups) if (held.length > 0) t.true(stays(name), `${seed}: ${name} is kept`);
  for (const one of staying)
    if (restoresByItself(of(one), before))
      t.true(restoresByItself(of(one), after), `${seed}: ${one.backup.name} restores by itself`);
  const newest = backups.toSorted((a, b) => b.stoppedAt.getTime() - a.stoppedAt.getTime())[0];
  if (newest) t.true(stays(newest.name), `${seed}: the newest stays`);
}

/** Wherever it is. */
function checkPresent(t: ExecutionContext, it: Case, seed: number): void {
  const { isPromised, holds, soundThatStay } = reachIn(it);
  const current = it.world.timelines.at(-1);
  const end = current && stateAt(current, it.world.end);
  if (!end || !isPromised(end)) return;
  t.true(holds(end), `${seed}: the end of the newest timeline`);
  const from = soundThatStay.find((made) => replays(made, end, it.after));
  if (from) t.true(findsTimeline(from.on, end.on, it.after), `${seed}: the newest timeline is found`);
}

/** Every moment of the window, on every timeline that was written at that time. */
function checkWindow(t: ExecutionContext, it: Case, seed: number): void {
  const { timelines } = it.world;
  const { isPromised, holds } = reachIn(it);
  const check = (target: Target, what: string) => {
    if (isArchivedSince(it, target) && isPromised(target)) t.true(holds(target), `${seed}: ${what}`);
  };
  for (const moment of momentsOf(it, randomFrom(seed + 1))) {
    for (const timeline of timelines) {
      const target = stateAt(timeline, moment);
      const isInUse = timeline === timelines.at(-1) || (timeline.written.at(-1)?.time ?? 0) >= moment;
      if (target && isInUse)
        check(target, `timeline ${timeline.number} at ${new Date(moment).toISOString()}`);
    }
  }
  for (const timeline of timelines.slice(1)) {
    const [begun] = timeline.written;
    if (begun === undefined || it.since === undefined || it.since > begun.time) continue;
    // Before anything of it was archived.
    check({ on: timeline, lsn: begun.lsn }, `the beginning of timeline ${timeline.number}`);
  }
}

/** Without a window: whatever a backup that stays could be rolled forward to. */
function checkRollingForward(
  t: ExecutionContext,
  { world, decided, before, after }: Case,
  seed: number,
): void {
  for (const one of decided.filter((each) => !each.goes && !isOnlyLink(each)))
    for (const timeline of world.timelines)
      for (const { lsn } of [...timeline.written.slice(0, 1), ...timeline.written.slice(-4)]) {
        const target = { on: timeline, lsn };
        if (!replays(of(one), target, before)) continue;
        const what = `${one.backup.name} to timeline ${timeline.number}`;
        t.true(replays(of(one), target, after), `${seed}: ${what}`);
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

/** Where the archive of a timeline ends; where it begins, if nothing of it is there. */
function endOf({ after, world }: Case, timeline: number): bigint {
  const last = [...after]
    .filter((file) => !file.endsWith('.history') && Number.parseInt(file.slice(0, 8), 16) === timeline)
    .sort()
    .at(-1);
  const begun = world.timelines.find(({ number }) => number === timeline)?.from ?? 0n;
  return last === undefined ? begun : (numberOf(last) + 1n) * BigInt(segmentSize);
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

test('whatever is promised stays restorable, and every reason is true', (t) => {
  for (let seed = 1; seed <= histories; seed += 1) {
    const it = makeCase(seed, seed % 3 === 0 ? 0.03 : 0);
    checkPromises(t, it, seed);
    checkRules(t, it, seed);
    checkReasons(t, it, seed);
  }
});

/** With each incremental copy all links stay that it stands on, and those begin no recovery of their own. */
function checkChains(t: ExecutionContext, { decided }: Case, seed: number): number {
  const staying = decided.filter(({ goes }) => !goes);
  const names = new Set(staying.map(({ backup }) => backup.name));
  for (const { backup } of staying)
    for (const link of backup.standsOn ?? [])
      t.true(names.has(link), `${seed}: ${link} stays with ${backup.name}`);
  const onlyLinks = staying.filter(isOnlyLink);
  for (const { backup, rollsForward } of onlyLinks)
    t.false(rollsForward, `${seed}: ${backup.name} is only a link`);
  return onlyLinks.length;
}

/** It stays for the incremental copies that stand on it, and for nothing else. */
function isOnlyLink({ reasons }: Case['decided'][number]): boolean {
  return reasons.every((reason) => reason.endsWith('cannot be restored without it'));
}

test('an incremental copy keeps what it stands on, and whatever is promised stays restorable', (t) => {
  let links = 0;
  for (let seed = 1; seed <= histories; seed += 1) {
    const it = makeCase(seed, seed % 3 === 0 ? 0.03 : 0, { chained: true });
    links += checkChains(t, it, seed);
    checkPromises(t, it, seed);
    checkRules(t, it, seed);
    checkReasons(t, it, seed);
    if (seed % 3 !== 0) checkNothingTooMuch(t, it, seed);
  }
  t.true(links > histories / 2, `only ${links} stayed as links`);
});

test('what leads to a timeline whose history file is missing stays, too, as nobody knows where it began', (t) => {
  for (let seed = 1; seed <= histories; seed += 1)
    checkPromises(t, makeCase(seed, 0, { losesHistory: true }), seed);
});

/** Whatever the dates say, none is evicted by those that precede it. */
function checkOrder(t: ExecutionContext, { decided, rules, backups }: Case, seed: number): void {
  const sound = backups.filter(({ isSound }) => isSound);
  for (const { backup } of decided.filter((one) => one.goes && one.backup.isSound)) {
    const others = (among: typeof sound) =>
      among.filter((other) => other !== backup && !isBefore(other.made, backup.made)).length;
    const last = rules.keepLast ?? 0;
    t.true(others(sound) >= Math.max(last, 1), `${seed}: ${backup.name} is one of the last`);
    if (backup.method === 'copy')
      t.true(
        others(sound.filter(({ method }) => method === 'copy')) >= Math.max(last, 1),
        `${seed}: ${backup.name} is one of the last in the repository`,
      );
  }
}

test('a clock that was wrong for some time lets no backup go for those that precede it', (t) => {
  let gone = 0;
  for (let seed = 1; seed <= histories; seed += 1) {
    const it = makeCase(seed, 0, { misdates: true });
    checkOrder(t, it, seed);
    gone += it.decided.filter(({ goes }) => goes).length;
  }
  t.true(gone > histories, `only ${gone} backups went`);
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
