/**
 * Reads the WAL of a recovery once, up to its target, and keeps the events. Whether the archive reaches the target is
 * known from the records only: the times of the archived files are those of a copy, where the repository was copied.
 */
import { HoldfastError } from '../errors.ts';
import type { RecoveryTarget } from './recovery-target.ts';
import { walAhead, type WalAheadOptions, type WalEvent } from './wal-events.ts';

/** The events of a recovery, in their order. */
export interface RecordedWal {
  events: readonly WalEvent[];
  /** Why the WAL could not be read any further; undefined where it was read to the target or to its end. */
  damage: HoldfastError | undefined;
}

/** Where recovery finds its target. */
export interface ReachedTarget {
  /** The name of the segment in which the record at `lsn` ends. */
  segment: string;
  lsn: bigint;
}

/** Whether only the WAL tells where this target is. */
export function isInRecords({ kind }: RecoveryTarget): boolean {
  return kind !== 'latest' && kind !== 'immediate';
}

/** Reads the WAL from the start of the backup to the target, or to the end of the WAL. */
export async function recordWal(options: WalAheadOptions): Promise<RecordedWal> {
  const events: WalEvent[] = [];
  try {
    for await (const event of walAhead(options)) events.push(event);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'archive_damaged') throw error;
    return { events, damage: error };
  }
  return { events, damage: undefined };
}

/** The recovery of a backup, whose WAL may have been read already. */
export interface RecordedAheadOptions extends WalAheadOptions {
  choice: WalAheadOptions['choice'] & { recorded?: RecordedWal | undefined };
}

/**
 * The same events as walAhead(), without reading the WAL again where it has been read.
 * @throws HoldfastError `archive_damaged`
 */
export async function* eventsAhead(options: RecordedAheadOptions): AsyncGenerator<WalEvent> {
  const { recorded } = options.choice;
  if (recorded === undefined) return yield* walAhead(options);
  yield* recorded.events;
  if (recorded.damage !== undefined) throw recorded.damage;
}

/** Where the WAL has the target; undefined where the WAL ends before. */
export function reachedIn({ events }: RecordedWal): ReachedTarget | undefined {
  const last = events.at(-1);
  const segment = events.findLast((event) => event.kind === 'segment')?.name;
  if (last?.kind !== 'target' || last.lsn === undefined || segment === undefined) return undefined;
  return { segment, lsn: last.lsn };
}
