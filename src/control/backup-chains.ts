/** The chains of incremental copies in the control database. */
import type { Connection } from '../database/connection.ts';

/** A copy in the repository, with the copies that a restore of it reads. */
export interface ChainStatus {
  /** The request of the copy. */
  id: number;
  cluster: string;
  label: string;
  stoppedAt: Date;
  /** The request of the parent; null: a full copy. */
  parent: number | null;
  /** The requests from the full copy to this one. */
  chain: number[];
  /** The request of the link that breaks the chain; null: the chain is whole. */
  brokenLink: number | null;
  /** What is wrong with that link, as a predicate; null: the chain is whole. */
  problem: string | null;
}

/** An incremental copy whose chain is broken, as a worker sees the repository. */
export interface BrokenCopy {
  id: number;
  systemIdentifier: string;
  startLsn: string;
  /** The request of the link that breaks the chain. */
  link: number;
  problem: string;
}

/** A broken chain as it has been recorded. */
export type RecordedBreak = Pick<BrokenCopy, 'id' | 'link' | 'problem'>;

/** All copies that have not expired, oldest first. */
export function backupChains(db: Connection): Promise<ChainStatus[]> {
  return db.run<ChainStatus>('chain', 'all');
}

/** The broken chains of a cluster that have been recorded. */
export function recordedBreaks(db: Connection, cluster: string): Promise<RecordedBreak[]> {
  return db.run<RecordedBreak>('chain', 'recorded', { cluster });
}

/** Records the broken chains of a cluster, and forgets those that are whole again or have expired. */
export async function noteBroken(
  db: Connection,
  cluster: string,
  broken: readonly BrokenCopy[],
): Promise<void> {
  await db.transaction(async () => {
    await db.run('chain', 'forget', { cluster, ids: broken.map(({ id }) => String(id)) });
    for (const { id, systemIdentifier, startLsn, link, problem } of broken) {
      const copy = { id, cluster, system_identifier: systemIdentifier, start_lsn: startLsn };
      await db.run('chain', 'note', { ...copy, link, problem });
    }
  });
}
