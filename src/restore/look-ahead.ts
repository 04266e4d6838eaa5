/** What a restore has to know of the WAL that the restored server is going to replay. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../errors.ts';
import { greaterParameters, type RequiredParameters } from '../postgres/required-parameters.ts';
import { parseTablespaceMap } from '../postgres/tablespace-map.ts';
import { refusalOf, type Creation, type Judging } from './created-tablespaces.ts';
import type { StoredBackup } from './stored-backup.ts';
import { walAhead, type AheadOptions } from './wal-ahead.ts';

export interface LookAheadOptions extends AheadOptions {
  /** Tablespaces of the backup that go elsewhere, by OID. */
  moved: ReadonlyMap<string, string>;
  standby: Judging['standby'];
  asWere: Judging['asWere'];
  /** Whether a segment that is damaged has been accepted as the end. */
  despiteMissingWal: boolean;
}

export interface Ahead {
  /** Tablespaces that recovery creates where it may. */
  created: Creation[];
  /** The most that the primary had on the way; undefined: nothing has changed since the backup. */
  required: RequiredParameters | undefined;
}

/** @throws HoldfastError `tablespace_created`, `archive_damaged` */
export async function lookAhead(options: LookAheadOptions): Promise<Ahead> {
  const { choice, moved } = options;
  const ahead: Ahead = { created: [], required: undefined };
  const own = await ownPlaces(choice.backup, moved);
  try {
    for await (const event of walAhead(options)) {
      if (event.kind === 'parameters')
        ahead.required = greaterParameters(ahead.required ?? event.required, event.required);
      if (event.kind !== 'tablespace' || own.get(event.oid) === event.location) continue;
      const refusal = await refusalOf(event, { ...options, backup: choice.backup.description });
      if (refusal !== undefined) throw refusal;
      ahead.created.push(event);
    }
  } catch (error) {
    const isEnd = error instanceof HoldfastError && error.code === 'archive_damaged';
    if (!isEnd || !options.despiteMissingWal) throw error;
  }
  return ahead;
}

/**
 * Where tablespaces of the backup are going to be, if that is where they were: one that was created just before the
 * copy began is in the backup and in its WAL.
 */
async function ownPlaces(
  { meta, description }: StoredBackup,
  moved: LookAheadOptions['moved'],
): Promise<ReadonlyMap<string, string>> {
  const map = await readFile(join(meta, 'tablespace_map')).catch(() => Buffer.alloc(0));
  const mapped = parseTablespaceMap(map, Number.parseInt(description.serverVersion, 10));
  const stay = mapped.filter(({ oid }) => !moved.has(oid));
  return new Map(stay.map(({ oid, location }) => [oid, location.toString('latin1')]));
}
