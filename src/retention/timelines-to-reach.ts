/** Decides to which timelines recovery has to stay possible. Pure. */
import { newestFirst } from '../postgres/backup-order.ts';
import type { Histories } from '../postgres/timeline-history.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';
import type { OldestNeededWal } from './decide-wal.ts';

/** The input of timelinesToReach(). */
export interface KnownHistories {
  /** Names of the archived files. */
  files: readonly string[];
  histories: Histories;
  /** When the newest file of each timeline was archived. */
  archivedAt: ReadonlyMap<number, Date>;
  /** Backups of one system identifier. */
  backups: readonly ExpiryCandidate[];
  underWay: readonly OldestNeededWal[];
  /** The start of the recovery window; null: all timelines are needed. */
  recoverSince: Date | null;
}

/**
 * The needed timelines in ascending order: timelines that were written to in the recovery window, and
 * timelines that may still be written to.
 */
export function timelinesToReach({
  files,
  histories,
  archivedAt,
  backups,
  underWay,
  recoverSince,
}: KnownHistories): number[] {
  const ofFiles = new Set(files.map((file) => Number.parseInt(file.slice(0, 8), 16)));
  const all = new Set([...ofFiles, ...histories.keys(), ...backups.map(({ timeline }) => timeline)]);
  const inOrder = [...all, ...underWay.map(({ timeline }) => timeline)].sort((a, b) => a - b);
  if (recoverSince === null) return [...new Set(inOrder)];

  const since = recoverSince.getTime();
  const recent = [...archivedAt].filter(([, time]) => time.getTime() >= since).map(([timeline]) => timeline);
  const [latest] = [...archivedAt].sort(([, a], [, b]) => b.getTime() - a.getTime());
  const newest = newestFirst(backups, { histories, systemIdentifier: backups[0]?.systemIdentifier });
  const young = backups.filter(({ stoppedAt }) => stoppedAt.getTime() >= since);
  const found = [
    ...recent,
    ...(latest === undefined ? [] : [latest[0]]),
    ...[newest[0], newest.find(({ isSound }) => isSound), ...young].flatMap(
      (backup) => backup?.timeline ?? [],
    ),
    ...underWay.map(({ timeline }) => timeline),
    ...inOrder.slice(-1),
  ];
  return [...new Set(found)].sort((a, b) => a - b);
}
