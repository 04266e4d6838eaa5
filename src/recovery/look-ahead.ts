/** What a restore has to know of the WAL that the restored server is going to replay. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { refusalOf, type Creation, type Judging } from './created-tablespaces.ts';
import { nothing } from '../repository/examined-wal.ts';
import type { StoredBackup } from '../repository/catalog.ts';
import { placeTablespaces } from './tablespace-placement.ts';
import { walAhead, type WalAheadOptions, type WalEvent } from './wal-events.ts';

export interface LookAheadOptions extends WalAheadOptions {
  /** The new data directory, absolute. */
  directory: string;
  /** Tablespaces of the backup that go elsewhere, by OID. */
  moved: ReadonlyMap<string, string>;
  /** Whether recovery goes on for ever: no target ends it before. */
  standby: boolean;
  asWere: Judging['asWere'];
  /** Whether a segment that is damaged has been accepted as the end. */
  despiteMissingWal: boolean;
}

export interface AheadFindings {
  /** Tablespaces that recovery creates where it may. */
  created: Creation[];
  /** The most that the primary had on the way; undefined: nothing has changed since the backup. */
  required: RequiredParameters | undefined;
  /** The last segment that has been looked through as a whole, as looked-to.ts has it. */
  lookedTo: string;
  /** Whether replay ends within what has been looked at, as long as its target stays. */
  toTarget: boolean;
}

/** @throws HoldfastError `tablespace_created`, `archive_damaged` */
export async function lookAhead(options: LookAheadOptions): Promise<AheadFindings> {
  const { choice, asWere, standby, despiteMissingWal } = options;
  const own = await ownPlaces(choice.backup, options);
  const stopBefore = standby
    ? undefined
    : (lsn: string) => `stop before it: --target-lsn ${lsn} --target-exclusive`;
  return judged(walAhead(options), {
    isOwn: ({ oid, location }) => own.get(oid) === location,
    judging: { backup: choice.backup.description, stopBefore, asWere },
    despiteDamage: despiteMissingWal,
  });
}

export interface AheadJudge {
  /** Whether such a tablespace is where one of the backup's is going to be. */
  isOwn: (creation: Creation) => boolean;
  judging: Judging;
  /** Whether a segment that is damaged has been accepted as the end. */
  despiteDamage: boolean;
}

/** @throws HoldfastError `tablespace_created`, `archive_damaged` */
export async function judged(
  events: AsyncIterable<WalEvent>,
  { isOwn, judging, despiteDamage }: AheadJudge,
): Promise<AheadFindings> {
  const ahead: AheadFindings = { created: [], required: undefined, lookedTo: nothing, toTarget: false };
  let reading: string = nothing;
  try {
    for await (const event of events) {
      if (event.kind === 'parameters')
        ahead.required = greaterParameters(ahead.required ?? event.required, event.required);
      if (event.kind === 'target') return { ...ahead, toTarget: true };
      if (event.kind === 'segment') [ahead.lookedTo, reading] = [reading, event.name];
      if (event.kind !== 'tablespace' || isOwn(event)) continue;
      const refusal = await refusalOf(event, judging);
      if (refusal !== undefined) throw refusal;
      ahead.created.push(event);
    }
    ahead.lookedTo = reading;
  } catch (error) {
    const isEnd = error instanceof HoldfastError && error.code === 'archive_damaged';
    if (!isEnd || !despiteDamage) throw error;
  }
  return ahead;
}

/**
 * Where tablespaces of the backup are going to be, if that is where they were: one that was created just before the
 * copy began is in the backup and in its WAL.
 */
async function ownPlaces(
  { meta, description }: StoredBackup,
  { moved, directory }: LookAheadOptions,
): Promise<ReadonlyMap<string, string>> {
  const map = await readFile(join(meta, 'tablespace_map')).catch(() => Buffer.alloc(0));
  const mapped = parseTablespaceMap(map, Number.parseInt(description.serverVersion, 10));
  const placed = placeTablespaces({ mapped, from: description.dataDirectory, to: directory, moved });
  const were = new Map(mapped.map(({ oid, location }) => [oid, location.toString('latin1')]));
  return new Map(
    placed
      .filter(({ oid, location }) => were.get(oid) === location)
      .map(({ oid, location }) => [oid, location]),
  );
}
