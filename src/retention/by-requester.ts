/**
 * The backups that are not in the repository, by who requested them. Pure.
 *
 * Whoever has requested none for long is not counted apart: one that somebody made once would stay for ever, and with it
 * all WAL since.
 */
import type { ExpiryCandidate } from './expiry-candidate.ts';

export interface RequesterGroup<T> {
  requester: string;
  /** In the order in which they are given. */
  backups: T[];
}

/** Milliseconds: somebody may have one made each month. And so many windows. */
const countsFor = 32 * 86_400_000;
const countsForWindows = 4;

/** `newestFirst`: the newest of all says what is long ago. */
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

export function isCopy({ method }: ExpiryCandidate): boolean {
  return method === 'copy';
}
