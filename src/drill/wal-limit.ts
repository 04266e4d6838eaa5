/**
 * Decides how much WAL a drill may replay. Replay of CREATE TABLESPACE creates a directory in the location in
 * the WAL record, or takes over the existing files: on the host of the cluster, the files of the cluster
 * (src/backend/commands/tablespace.c: create_tablespace_directories). A drill moves the tablespaces of the
 * backup, but cannot move tablespaces created later. So a drill reads all WAL before the replay, and stops
 * before the first of these records.
 */
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { eventsAhead, type RecordedAheadOptions } from '../recovery/recorded-wal.ts';
import type { RecoveryTarget } from '../recovery/recovery-target.ts';
import { endsWithLast } from '../recovery/required-wal.ts';

/** The WAL that a drill may replay. */
export interface WalLimit {
  /** The last segment that may be replayed. */
  last: string;
  /**
   * The tablespace that limits the replay; undefined if replay goes to the target, or to the end of the WAL.
   */
  tablespace: CreatedTablespace | undefined;
  /** The largest settings of the primary in the WAL; undefined if no setting has changed since the backup. */
  required: RequiredParameters | undefined;
}

/** A tablespace that was created after the start of the backup. */
export interface CreatedTablespace {
  /** Absolute path, one character per byte. */
  location: string;
  lsn: string;
}

/** How to read the WAL. */
export interface WalLimitOptions extends RecordedAheadOptions {
  /** Reports the segment that is being read. */
  onSegment: (name: string) => void;
}

/**
 * Reads the WAL from the start of the backup to the target.
 * @throws HoldfastError `archive_damaged`; `tablespace_created` where a tablespace was created before the
 * backup ended
 */
export async function findWalLimit(options: WalLimitOptions): Promise<WalLimit> {
  const { startWal, stopWal, stopLsn, walSegmentSize } = options.choice.backup.description;
  const numberOf = (name: string) => parseSegmentName(name, walSegmentSize).number;
  let before = startWal;
  let last = startWal;
  let required: RequiredParameters | undefined;
  for await (const event of eventsAhead(options)) {
    if (event.kind === 'segment') {
      before = last;
      last = event.name;
      options.onSegment(last);
    } else if (event.kind === 'parameters') {
      required = greaterParameters(required ?? event.required, event.required);
    } else if (event.kind === 'tablespace') {
      const tablespace = { location: event.location, lsn: formatLsn(event.lsn) };
      if (numberOf(last) <= numberOf(stopWal)) throw createdMeanwhile(tablespace, stopLsn);
      return { last: before, tablespace, required };
    }
  }
  return { last, tablespace: undefined, required };
}

/**
 * The target of a drill that replays WAL up to `last`. A server that gets to the end of a backup behind which no record
 * follows would not have met its target, although all of the backup is there: without a target it opens at the same place.
 */
export function targetWithin(
  target: RecoveryTarget,
  backup: Parameters<typeof endsWithLast>[0],
  { last }: Pick<WalLimit, 'last'>,
): RecoveryTarget {
  return target.kind === 'immediate' && endsWithLast(backup, last) ? { kind: 'latest' } : target;
}

function createdMeanwhile({ location, lsn }: CreatedTablespace, stopLsn: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `a tablespace was created in "${location}" at ${lsn}, before the backup ended at ${stopLsn}: a drill would write there`,
    { code: 'tablespace_created', hint: 'drill the next backup, which has the tablespace' },
  );
}

/**
 * A restore_command that does not find any segment after `last`, so that the WAL ends there for PostgreSQL.
 * Segment names are compared without the timeline.
 */
export function limitedTo(last: string, restoreCommand: string): string {
  const beyond = `expr "x\${f#????????}" \\> x${last.slice(8)} > /dev/null && exit 1`;
  return `f="%f"; case "$f" in *.*) ;; *) ${beyond} ;; esac; ${restoreCommand}`;
}
