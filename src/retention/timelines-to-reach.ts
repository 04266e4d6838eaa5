/** The timelines to which recovery is to be possible. Pure. */
import { newestFirst } from '../postgres/backup-order.ts';
import type { Histories } from '../postgres/timeline-history.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';
import type { OldestNeededWal } from './decide-wal.ts';

export interface KnownHistories {
  /** Of the archive. */
  files: readonly string[];
  histories: Histories;
  /** When a timeline's newest file was archived. */
  archivedAt: ReadonlyMap<number, Date>;
  /** Of one system. */
  backups: readonly ExpiryCandidate[];
  underWay: readonly OldestNeededWal[];
  /** null: all that there are. */
  recoverSince: Date | null;
}

/** In order: those that were written to since then, and those that may still be. */
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
