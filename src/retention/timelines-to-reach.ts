/** Decides to which timelines recovery has to stay possible. Pure. */
import { newestFirst } from '../postgres/backup-order.ts';
import type { Histories } from '../postgres/timeline-history.ts';
import type { ExpiryCandidate } from './expiry-candidate.ts';
import type { OldestNeededWal } from './decide-wal.ts';

/**
 * When each timeline was last written to. The times of the files are those of a copy, where the repository was copied; not
 * every segment says a time.
 */
export interface LastUse {
  /** By the time of the newest file. */
  archivedAt: ReadonlyMap<number, Date>;
  /** By the newest time in the WAL. */
  writtenAt: ReadonlyMap<number, Date>;
}

/** The input of timelinesToReach(). */
export interface KnownHistories {
  /** Names of the archived files. */
  files: readonly string[];
  histories: Histories;
  lastUse: LastUse;
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
  lastUse: { archivedAt, writtenAt },
  backups,
  underWay,
  recoverSince,
}: KnownHistories): number[] {
  const ofFiles = new Set(files.map((file) => Number.parseInt(file.slice(0, 8), 16)));
  const all = new Set([...ofFiles, ...histories.keys(), ...backups.map(({ timeline }) => timeline)]);
  const inOrder = [...all, ...underWay.map(({ timeline }) => timeline)].sort((a, b) => a - b);
  if (recoverSince === null) return [...new Set(inOrder)];

  const since = recoverSince.getTime();
  const recent = [...archivedAt, ...writtenAt].filter(([, time]) => time.getTime() >= since);
  const latest = [archivedAt, writtenAt].map(
    (times) => [...times].sort(([, a], [, b]) => b.getTime() - a.getTime())[0],
  );
  const newest = newestFirst(backups, { histories, systemIdentifier: backups[0]?.systemIdentifier });
  const young = backups.filter(({ stoppedAt }) => stoppedAt.getTime() >= since);
  const found = [
    ...[...recent, ...latest].flatMap((one) => one?.[0] ?? []),
    ...[newest[0], newest.find(({ isSound }) => isSound), ...young].flatMap(
      (backup) => backup?.timeline ?? [],
    ),
    ...underWay.map(({ timeline }) => timeline),
    ...inOrder.slice(-1),
  ];
  return [...new Set(found)].sort((a, b) => a - b);
}
