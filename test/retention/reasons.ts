// Whether what is said of each backup is true, told in another way than it was decided.
import type { ExecutionContext } from 'ava';
import type { ExpiryCandidate } from '../../src/retention/expiry-candidate.ts';
import { day, margin, skew, type Case } from './case.ts';
import { lineageOf, type Made, type World } from './world.ts';

/** Each reason that is given is held against the policy, in its own way. */
export function checkReasons(t: ExecutionContext, it: Case, seed: number): void {
  const { decided, rules, backups, world, since } = it;
  const younger = (than: ExpiryCandidate) =>
    backups.filter((other) => other.isSound && other.stoppedAt.getTime() > than.stoppedAt.getTime());
  const isTrue: [RegExp, (backup: ExpiryCandidate & { made: Made }, match: string[]) => boolean][] = [
    [/^keep is set$/, ({ held }) => held.length > 0],
    [/^it is the newest$/, ({ stoppedAt }) => backups.every((other) => other.stoppedAt <= stoppedAt)],
    [/^it is the newest that is sound$/, (backup) => backup.isSound && younger(backup).length === 0],
    [
      /^it is the newest sound one in the repository$/,
      (backup) => younger(backup).every(({ method }) => method !== 'copy'),
    ],
    [
      /^it is the newest of ((?:role|schedule) .+)$/,
      (backup, [, requester]) =>
        backup.requester === requester && younger(backup).every((one) => !isOfSame(one, backup)),
    ],
    [
      /^it is (one of the last \d+|the last one)( in the repository| of .+)?$/,
      (backup, [, , where]) =>
        isCounted(backup, where, backup) &&
        younger(backup).filter((one) => isCounted(one, where, backup)).length < Number(rules.keepLast),
    ],
    [
      /^none is known to be sound that could take its place$/,
      ({ method }) =>
        backups.every((other) => !other.isSound || (other.method !== 'copy' && method === 'copy')),
    ],
    [/^it is within recovery_window$/, ({ made }) => made.stopped > (since ?? 0) - margin - skew],
    [/^it is within keep_within$/, ({ made }) => made.stopped > Number(rules.keepSince) - skew],
    [
      /^it is the newest of the (day|week|month) (\S+?)( in the repository| of .+)?$/,
      (backup, [, what = '', , where]) => {
        const period = (one: ExpiryCandidate) => periodOf(one.stoppedAt, what, rules.timeZone);
        const newer = younger(backup).filter((one) => isCounted(one, where, backup));
        const count = { day: rules.keepDaily, week: rules.keepWeekly, month: rules.keepMonthly }[what] ?? 0;
        return (
          isCounted(backup, where, backup) &&
          newer.every((one) => period(one) !== period(backup)) &&
          new Set(newer.map(period)).size < count
        );
      },
    ],
    [
      /^it is the newest that leads to timeline (\d+)(, of .+)?$/,
      (backup, [, number, by]) =>
        leads(world, backup, Number(number)) && later(it, backup, Number(number), by).length === 0,
    ],
    [
      /^recovery_window begins with it on timeline (\d+)(, of .+)?$/,
      (backup, [, number, by]) =>
        leads(world, backup, Number(number)) &&
        backup.made.stopped <= (since ?? 0) + skew &&
        later(it, backup, Number(number), by).every(({ stopped }) => stopped > (since ?? 0) - margin - skew),
    ],
  ];
  const staying = decided.filter(({ goes }) => !goes).map(({ backup }) => backup);
  isTrue.push([
    /^backups? (\S+?),? .*cannot be restored without it$/,
    ({ name }, [, child]) =>
      staying.some((other) => other.name === child && other.standsOn?.includes(name) === true),
  ]);
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

/** `where`: in the repository, or of whom; undefined: anywhere. */
function isCounted(one: ExpiryCandidate, where: string | undefined, beside: ExpiryCandidate): boolean {
  if (where === undefined) return true;
  if (where === ' in the repository') return one.method === 'copy';
  return where === ` of ${one.requester}` && isOfSame(one, beside);
}

/** Neither is in the repository, and one and the same had both made. */
function isOfSame(a: ExpiryCandidate, b: ExpiryCandidate): boolean {
  return a.method !== 'copy' && b.method !== 'copy' && a.requester === b.requester;
}

/** Whatever a rule speaks for stays, and nobody's backups elsewhere take the place of others. */
export function checkRules(t: ExecutionContext, { decided, rules, backups }: Case, seed: number): void {
  const latest = Math.max(...backups.map(({ stoppedAt }) => stoppedAt.getTime()));
  for (const { backup, goes } of decided) {
    if (!goes) continue;
    // Whoever has made none for a month is not counted apart: one that is younger has the place of its own kind.
    const isOld = ({ stoppedAt }: ExpiryCandidate) => latest - stoppedAt.getTime() > 32 * day;
    const newer = backups
      .filter((other) => other.isSound && other.stoppedAt > backup.stoppedAt)
      .filter((other) =>
        backup.method === 'copy' ? other.method === 'copy' : isOld(backup) || isOfSame(other, backup),
      );
    const isFirstOf = (what: string, count: number | null) => {
      const period = (one: ExpiryCandidate) => periodOf(one.stoppedAt, what, rules.timeZone);
      const others = new Set(newer.map(period));
      return !others.has(period(backup)) && others.size < (count ?? 0);
    };
    t.true(
      backups.some((other) => other.isSound && (other.method === 'copy' || backup.method !== 'copy')),
      `${seed}: ${backup.name} goes where another one is sound`,
    );
    const age = backup.stoppedAt.getTime();
    t.false(age > Number(rules.keepSince ?? Infinity), `${seed}: ${backup.name} is young`);
    t.false(age > Number(rules.recoverSince ?? Infinity), `${seed}: ${backup.name} is in the window`);
    if (!backup.isSound) continue;
    t.true(newer.length >= (isOld(backup) ? 0 : 1), `${seed}: ${backup.name} is the newest of its requester`);
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

/** Those of its kind, and of the same requester if `by` says so, that lead there and end after it. */
function later({ backups, world }: Case, than: ExpiryCandidate, timeline: number, by?: string): Made[] {
  return backups
    .filter((other) => other.isSound && other.stopLsn > than.stopLsn && leads(world, other, timeline))
    .filter(({ method }) => method === 'copy' || than.method !== 'copy')
    .filter((other) => by === undefined || isOfSame(other, than))
    .map(({ made }) => made);
}

function periodOf(time: Date, what: string, timeZone: string): string {
  const local = time.toLocaleDateString('sv-SE', { timeZone });
  if (what === 'month') return local.slice(0, 7);
  if (what === 'day') return local;
  return String(Math.floor((Date.parse(local) / day + 3) / 7));
}
