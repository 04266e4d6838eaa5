/**
 * How far a drill may replay. Where WAL creates a tablespace, replay makes its directory at that very place, or takes
 * over what is there: on the host of the cluster, the cluster's own files
 * (src/backend/commands/tablespace.c: create_tablespace_directories). A backup's tablespaces are put elsewhere; those
 * created since cannot be. So all WAL is read before any is replayed, and replay ends before the first of them.
 */
import { HoldfastError } from '../errors.ts';
import { formatLsn } from '../postgres/lsn.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { parseSegmentName } from '../postgres/wal-segment.ts';
import { walAhead, type WalAheadOptions } from '../recovery/wal-events.ts';

export interface WalLimit {
  /** The last segment that may be replayed. */
  last: string;
  /** Why no more; undefined: there was no more, or the target needs no more. */
  tablespace: CreatedTablespace | undefined;
  /** The most that a standby would need on the way; undefined: what it needed when the backup was made. */
  required: RequiredParameters | undefined;
}

export interface CreatedTablespace {
  /** Where it was created, one character a byte. */
  location: string;
  lsn: string;
}

export interface WalLimitOptions extends WalAheadOptions {
  onSegment: (name: string) => void;
}

/** @throws HoldfastError `tablespace_created` where the backup is not consistent without it */
export async function findWalLimit(options: WalLimitOptions): Promise<WalLimit> {
  const { startWal, stopWal, stopLsn, walSegmentSize } = options.choice.backup.description;
  const numberOf = (name: string) => parseSegmentName(name, walSegmentSize).number;
  let before = startWal;
  let last = startWal;
  let required: RequiredParameters | undefined;
  for await (const event of walAhead(options)) {
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

function createdMeanwhile({ location, lsn }: CreatedTablespace, stopLsn: string): HoldfastError {
  return new HoldfastError(
    'failed',
    `a tablespace was created in "${location}" at ${lsn}, before the backup ended at ${stopLsn}: a drill would write there`,
    { code: 'tablespace_created', hint: 'drill the next backup: that one has it' },
  );
}

/**
 * The same restore_command, which has nothing behind the last segment: for PostgreSQL the WAL ends there. Names are
 * compared without their timeline.
 */
export function limitedTo(last: string, restoreCommand: string): string {
  const beyond = `expr "x\${f#????????}" \\> x${last.slice(8)} > /dev/null && exit 1`;
  return `f="%f"; case "$f" in *.*) ;; *) ${beyond} ;; esac; ${restoreCommand}`;
}
