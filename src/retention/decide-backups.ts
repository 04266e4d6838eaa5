/**
 * Decides which backups expire, and why every other backup stays. Pure.
 *
 * A backup that any rule keeps stays. The rules that count backups (keep_last, the tiers, the newest backup)
 * count sound backups only, so that a backup known to be damaged does not take the place of a sound backup.
 * Backups in the repository are counted a second time without the other backups, because the other backups
 * are known from their requesters only. For the same reason, the other backups are counted once more by
 * schedule or requester: one requester cannot evict the backup of another. If no backup is sound, no backup
 * expires, because a damage report may turn out to be wrong. The links that a staying incremental copy stands on
 * stay, too, but take the place of no other backup, and no recovery needs to begin with them.
 */
import type { RetentionPolicy } from '../control/retention-rows.ts';
import { endsOf, newestFirst } from '../postgres/backup-order.ts';
import { isOnWay, lacksHistory, spansTo, type Histories } from '../postgres/timeline-history.ts';
import { byRequester, isCopy, type RequesterGroup } from './by-requester.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';
import { neededLinks } from './needed-links.ts';
import { mayLeadTo } from './unknown-histories.ts';
import { dayOf, monthOf, weekOf } from './calendar.ts';

/** The rules of a retention policy. */
export type RetentionRules = Omit<RetentionPolicy, 'definition'>;

/** A timeline to which recovery has to stay possible. */
export interface ExpiryBranch {
  timeline: number;
  histories: Histories;
  systemIdentifier: string;
}

/** The decision about one backup. */
export interface DecidedBackup<T extends ExpiryCandidate = ExpiryCandidate> {
  backup: T;
  goes: boolean;
  /** Why the backup stays; or why no rule keeps the backup. */
  reasons: string[];
  /**
   * Whether recovery to any later time may begin with this backup. The WAL after such a backup is needed,
   * too.
   */
  rollsForward: boolean;
}

/** Decides about each backup. The result has the order of `backups`. */
export function decideBackups<T extends ExpiryCandidate>(
  backups: readonly T[],
  rules: RetentionRules,
  branches: readonly ExpiryBranch[],
): DecidedBackup<T>[] {
  const reasons = new Map<T, string[]>(backups.map((backup) => [backup, [...backup.held]]));
  const rolling = new Set<T>(backups.filter(({ isRead }) => isRead));
  const keep = (backup: T | undefined, reason: string) => {
    const known = backup && reasons.get(backup);
    if (known?.includes(reason) === false) known.push(reason);
  };
  const { histories = new Map(), systemIdentifier } = branches[0] ?? {};
  const inOrder = newestFirst(whole(backups), { histories, systemIdentifier });
  const sound = inOrder.filter(({ isSound }) => isSound);
  const [endOfCopy, endOfOther] = [backups.filter(isCopy), backups].map((among) =>
    endsOf(among, { histories, systemIdentifier }),
  ) as [(backup: T) => Date, (backup: T) => Date];
  // The end time of a copy in the repository does not depend on backups that are known from their requesters
  // only.
  const endOf = (backup: T) => (isCopy(backup) ? endOfCopy(backup) : endOfOther(backup));

  const groups = byRequester(sound, rules.recoverSince);
  for (const { backup, reason, rolls } of newestOnes(inOrder, sound, groups)) {
    keep(backup, reason);
    if (rolls && backup) rolling.add(backup);
  }
  for (const { backup, reason } of startingPoints(sound, { groups, rules, branches, endOf })) {
    keep(backup, reason);
    rolling.add(backup);
  }
  for (const backup of inOrder) {
    if (rules.recoverSince === null || endOf(backup) > rules.recoverSince) {
      rolling.add(backup);
      if (rules.recoverSince !== null) keep(backup, 'it is within recovery_window');
    }
    if (rules.keepSince !== null && endOf(backup) > rules.keepSince) keep(backup, 'it is within keep_within');
  }
  for (const [backup, reason] of countedAgain(sound, groups, rules)) keep(backup, reason);
  for (const backup of irreplaceable(backups, sound)) {
    keep(backup, 'none is known to be sound that could take its place');
    rolling.add(backup);
  }

  const staying = backups.filter((backup) => reasons.get(backup)?.length !== 0);
  const needed = neededLinks(staying);
  return backups.map((backup) => {
    const why = reasons.get(backup) ?? [];
    const rollsForward = why.length > 0 && rolling.has(backup);
    const forOthers = isCopy(backup) ? needed.get(backup.name) : undefined;
    if (forOthers !== undefined) return { backup, goes: false, reasons: [...why, forOthers], rollsForward };
    if (why.length > 0) return { backup, goes: false, reasons: why, rollsForward };
    return { backup, goes: true, reasons: [whyNot(backup, inOrder, rules)], rollsForward: false };
  });
}

/** The newest backups, which stay under all rules. */
function* newestOnes<T extends ExpiryCandidate>(
  inOrder: readonly T[],
  sound: readonly T[],
  groups: readonly RequesterGroup<T>[],
): Iterable<{ backup: T | undefined; reason: string; rolls: boolean }> {
  yield { backup: inOrder[0], reason: 'it is the newest', rolls: true };
  if (sound[0] !== inOrder[0])
    yield { backup: sound[0], reason: 'it is the newest that is sound', rolls: true };
  const copy = sound.find(isCopy);
  if (copy !== sound[0])
    yield { backup: copy, reason: 'it is the newest sound one in the repository', rolls: true };
  for (const { requester, backups } of groups)
    yield { backup: backups[0], reason: `it is the newest of ${requester}`, rolls: copy === undefined };
}

/** Leaves out the backups whose removal an expiry has begun, unless no sound backup remains. */
function whole<T extends ExpiryCandidate>(backups: readonly T[]): readonly T[] {
  const others = backups.filter(({ isBegun, held }) => !isBegun || held.length > 0);
  return others.some(({ isSound }) => isSound) ? others : backups;
}

interface Question<T> {
  groups: readonly RequesterGroup<T>[];
  rules: RetentionRules;
  branches: readonly ExpiryBranch[];
  /** The earliest time at which the backup can have ended. */
  endOf: (backup: T) => Date;
}

/**
 * For each branch, the newest backup that leads to all of the timeline, and the backup with which the
 * recovery window begins.
 */
function* startingPoints<T extends ExpiryCandidate>(
  sound: readonly T[],
  { groups, rules: { recoverSince }, branches, endOf }: Question<T>,
): Iterable<{ backup: T; reason: string }> {
  const firstOf = (among: readonly T[]) =>
    recoverSince === null ? undefined : among.find((backup) => endOf(backup) <= recoverSince);
  for (const { timeline, histories, systemIdentifier } of branches) {
    const way = spansTo(timeline, histories);
    // LSNs along one path are in the order of time, even if clocks were wrong.
    const onWay = sound
      .filter((backup) => backup.systemIdentifier === systemIdentifier && isOnWay(backup, way))
      .sort((a, b) => compareLsns(b, a) || b.id - a.id);
    const older = lacksHistory(timeline, histories)
      ? sound.filter((backup) => backup.systemIdentifier === systemIdentifier && backup.timeline < timeline)
      : [];
    const copies = onWay.filter(isCopy);
    const leads = (among: T[]) => (recoverSince === null ? among[0] : firstOf(among)) !== undefined;
    const points = [
      // Backups outside of the repository count here, but "holdfast restore" needs a copy in the repository.
      { newest: onWay[0], first: firstOf(onWay), mayLead: leads(onWay) ? [] : older, by: '' },
      {
        newest: copies[0],
        first: firstOf(copies),
        mayLead: leads(copies) ? [] : older.filter(isCopy),
        by: '',
      },
      // A backup outside of the repository is a starting point of its requester only if no copy in the
      // repository leads to the timeline.
      ...groups.map(({ requester, backups }) => {
        const own = onWay.filter((backup) => backups.includes(backup));
        return {
          newest: copies.length > 0 ? undefined : own[0],
          first: firstOf(copies) ? undefined : firstOf(own),
          mayLead: leads(copies) || leads(own) ? [] : older.filter((backup) => backups.includes(backup)),
          by: `, of ${requester}`,
        };
      }),
    ];
    for (const { newest, first, mayLead, by } of points) {
      if (newest)
        yield { backup: newest, reason: `it is the newest that leads to timeline ${timeline}${by}` };
      if (first)
        yield { backup: first, reason: `recovery_window begins with it on timeline ${timeline}${by}` };
      for (const backup of mayLead) yield { backup, reason: `${mayLeadTo(timeline)} with it${by}` };
    }
  }
}

function* countedAgain<T extends ExpiryCandidate>(
  sound: readonly T[],
  groups: readonly RequesterGroup<T>[],
  rules: RetentionRules,
): Iterable<[T, string]> {
  const said = new Set<string>();
  for (const [among, where] of [
    [sound, ''],
    [sound.filter(isCopy), ' in the repository'],
    ...groups.map(({ backups, requester }) => [backups, ` of ${requester}`] as const),
  ] as const)
    for (const [backup, reason] of counted(among, rules)) {
      if (!said.has(`${backup.name}: ${reason}`)) yield [backup, reason + where];
      if (where === '') said.add(`${backup.name}: ${reason}`);
    }
}

function* counted<T extends ExpiryCandidate>(
  sound: readonly T[],
  rules: RetentionRules,
): Iterable<[T, string]> {
  const { keepLast, keepDaily, keepWeekly, keepMonthly, timeZone } = rules;
  for (const backup of sound.slice(0, keepLast ?? 0))
    yield [backup, keepLast === 1 ? 'it is the last one' : `it is one of the last ${keepLast}`];
  for (const [count, of, what] of [
    [keepDaily, dayOf, 'day'],
    [keepWeekly, weekOf, 'week'],
    [keepMonthly, monthOf, 'month'],
  ] as const) {
    if (count === null) continue;
    const newest = new Map<string, T>();
    for (const backup of sound) {
      const period = of(backup.stoppedAt, timeZone);
      if (newest.size === count && !newest.has(period)) break;
      if (!newest.has(period)) newest.set(period, backup);
    }
    for (const [period, backup] of newest) yield [backup, `it is the newest of the ${what} ${period}`];
  }
}

/** All backups if no backup is sound; the copies in the repository if no copy is sound. */
function irreplaceable<T extends ExpiryCandidate>(backups: readonly T[], sound: readonly T[]): readonly T[] {
  if (sound.length === 0) return backups;
  return sound.some(isCopy) ? [] : backups.filter(isCopy);
}

function whyNot(backup: ExpiryCandidate, inOrder: readonly ExpiryCandidate[], rules: RetentionRules): string {
  if (!inOrder.includes(backup)) return 'an expiry had begun with it';
  const rank = inOrder.indexOf(backup) + 1;
  const tiers = [rules.keepDaily, rules.keepWeekly, rules.keepMonthly].some((count) => count !== null);
  const grounds = [
    backup.isSound ? undefined : (backup.unsound ?? 'it is not sound'),
    rules.keepLast === null
      ? undefined
      : `it is number ${rank} from the newest, and ${rules.keepLast} ${rules.keepLast === 1 ? 'is' : 'are'} kept`,
    tiers ? 'no day, week or month that counts is its own' : undefined,
    rules.keepSince === null ? undefined : 'it is older than keep_within',
    rules.recoverSince === null ? undefined : 'recovery_window begins with a later one',
  ];
  return grounds.filter((ground) => ground !== undefined).join('; ');
}

function compareLsns(a: ExpiryCandidate, b: ExpiryCandidate): number {
  return Number(a.stopLsn - b.stopLsn);
}
