/**
 * Groups the backups that are not in the repository by requester. Pure.
 *
 * A requester without a recent backup gets no group of its own. Otherwise a single old backup would stay
 * forever, together with all WAL since.
 */
import type { ExpiryCandidate } from './expiry-candidate.ts';

/** The backups of one requester. */
export interface RequesterGroup<T> {
  requester: string;
  /** In the order of the input. */
  backups: T[];
}

/** Milliseconds. A requester may take one backup per month. */
const countsFor = 32 * 86_400_000;
/** Number of recovery windows. */
const countsForWindows = 4;

/**
 * Groups the backups by requester. The newest backup of all requesters decides which requesters are recent.
 */
export function byRequester<T extends ExpiryCandidate>(
  newestFirst: readonly T[],
  recoverSince: Date | null,
): RequesterGroup<T>[] {
  const groups = new Map<string, T[]>();
  for (const backup of newestFirst.filter((one) => !isCopy(one)))
    groups.set(backup.requester, [...(groups.get(backup.requester) ?? []), backup]);
  const latest = newestFirst[0]?.stoppedAt.getTime() ?? 0;
  const window = latest - (recoverSince?.getTime() ?? latest);
  const since = latest - Math.max(countsFor, countsForWindows * window);
  return [...groups]
    .map(([requester, backups]) => ({ requester, backups }))
    .filter(({ backups }) => (backups[0]?.stoppedAt.getTime() ?? 0) >= since);
}

/** Whether Holdfast has copied the backup, so that the backup is in the repository. */
export function isCopy({ method }: ExpiryCandidate): boolean {
  return method === 'copy';
}
