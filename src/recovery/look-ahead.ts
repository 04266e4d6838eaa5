/**
 * Examines the WAL that a restored server is going to replay: created tablespaces, and settings that a
 * standby needs.
 */
import { HoldfastError } from '../errors.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { refusalOf, type Creation, type Judging } from './created-tablespaces.ts';
import { nothing } from '../repository/examined-wal.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { placeTablespaces } from './tablespace-placement.ts';
import { storedTablespaces } from './stored-tablespaces.ts';
import { eventsAhead, type RecordedAheadOptions } from './recorded-wal.ts';
import type { WalEvent } from './wal-events.ts';

/** The restore whose WAL is examined. */
export interface LookAheadOptions extends RecordedAheadOptions {
  /** The new data directory, absolute. */
  directory: string;
  /** New locations of the tablespaces that are moved, by OID. */
  moved: ReadonlyMap<string, string>;
  /**
   * Whether the server is a standby: recovery continues without end, so that no target keeps a record from
   * replay.
   */
  standby: boolean;
  /** Whether the operator has confirmed the locations of tablespaces that cannot be seen on this host. */
  asWere: Judging['asWere'];
  /** Whether the operator accepts that recovery ends at a damaged segment. */
  despiteMissingWal: boolean;
}

/** The findings of an examination. */
export interface AheadFindings {
  /** Tablespaces that recovery creates in acceptable locations. */
  created: Creation[];
  /** The largest settings of the primary in the WAL; undefined if no setting has changed since the backup. */
  required: RequiredParameters | undefined;
  /**
   * The last segment that has been examined completely, in the form of examined-wal.ts; none from the first creation of a
   * tablespace on.
   */
  lookedTo: string;
  /**
   * Whether the target is within the examined WAL. The answer is valid as long as the target does not change.
   */
  toTarget: boolean;
  /** The last segment that was there; undefined if there was none. */
  last?: string | undefined;
  /** The record at which recovery stops; undefined if the WAL ends before, or only its end ends recovery. */
  stopsAt?: bigint | undefined;
}

/**
 * Examines the WAL from the start of the chosen backup to the recovery target.
 * @throws HoldfastError `tablespace_created`, `archive_damaged`
 */
export async function lookAhead(options: LookAheadOptions): Promise<AheadFindings> {
  const { choice, asWere, standby, despiteMissingWal } = options;
  const own = await ownPlaces(choice.backup, options);
  const stopBefore = standby
    ? undefined
    : (lsn: string) => `stop before it: --target-lsn ${lsn} --target-exclusive`;
  return judged(eventsAhead(options), {
    isOwn: ({ oid, location }) => own.get(oid) === location,
    judging: { backup: choice.backup.description, stopBefore, asWere },
    despiteDamage: despiteMissingWal,
  });
}

/** How the WAL events are judged. */
export interface AheadJudge {
  /** Whether the tablespace is in the location where the restore puts a tablespace of the backup. */
  isOwn: (creation: Creation) => boolean;
  judging: Judging;
  /** Whether the operator accepts that recovery ends at a damaged segment. */
  despiteDamage: boolean;
}

/**
 * Judges WAL events, and collects the findings.
 * @throws HoldfastError `tablespace_created`, `archive_damaged`
 */
export async function judged(
  events: AsyncIterable<WalEvent>,
  { isOwn, judging, despiteDamage }: AheadJudge,
): Promise<AheadFindings> {
  const ahead: AheadFindings = { created: [], required: undefined, lookedTo: nothing, toTarget: false };
  let reading: string = nothing;
  // A location that is free now may be another server's when recovery gets there: "wal fetch" looks at it once more.
  const noteRead = () => {
    if (ahead.created.length === 0) ahead.lookedTo = reading;
  };
  try {
    for await (const event of events) {
      if (event.kind === 'parameters')
        ahead.required = greaterParameters(ahead.required ?? event.required, event.required);
      if (event.kind === 'target') return { ...ahead, toTarget: true, stopsAt: event.lsn };
      if (event.kind === 'segment') {
        noteRead();
        ahead.last = reading = event.name;
      }
      if (event.kind !== 'tablespace' || isOwn(event)) continue;
      const refusal = await refusalOf(event, judging);
      if (refusal !== undefined) throw refusal;
      ahead.created.push(event);
    }
    noteRead();
  } catch (error) {
    const isEnd = error instanceof HoldfastError && error.code === 'archive_damaged';
    if (!isEnd || !despiteDamage) throw error;
  }
  return ahead;
}

/**
 * The tablespaces of the backup that keep their old locations, by OID. A tablespace that was created just
 * before the copy began is in the backup and in the WAL of the backup.
 */
async function ownPlaces(
  backup: StoredBackup,
  { moved, directory }: LookAheadOptions,
): Promise<ReadonlyMap<string, string>> {
  const mapped = await storedTablespaces(backup);
  const { dataDirectory: from } = backup.description;
  const placed = placeTablespaces({ mapped, from, to: directory, moved });
  const were = new Map(mapped.map(({ oid, location }) => [oid, location.toString('latin1')]));
  return new Map(
    placed
      .filter(({ oid, location }) => were.get(oid) === location)
      .map(({ oid, location }) => [oid, location]),
  );
}
