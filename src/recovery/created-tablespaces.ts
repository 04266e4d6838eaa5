/**
 * Decides whether recovery may create a tablespace. The operator chooses the locations of the tablespaces
 * that are in the backup. Replay of CREATE TABLESPACE uses the location in the WAL record, and removes or
 * reuses existing files there: on the host of the old cluster, the files of the old cluster
 * (src/backend/commands/tablespace.c: create_tablespace_directories).
 */
import { readdir } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import { formatTime } from './recovery-target.ts';
import type { WalEvent } from './wal-events.ts';

/** A WAL record that creates a tablespace. */
export type Creation = Extract<WalEvent, { kind: 'tablespace' }>;

/**
 * The state of the location on this host. `free` is a directory without files of this major version, `absent`
 * a directory that does not exist, `taken` a directory with files of this major version, `unknown` a
 * directory that cannot be read.
 */
type Place = 'free' | 'absent' | 'taken' | 'unknown';

/** The input of refusalOf(). */
export interface Judging {
  backup: Pick<RepositoryBackup, 'serverVersion' | 'stopLsn'>;
  /** The option that ends recovery before an LSN, for the hint; undefined if recovery never ends. */
  stopBefore: ((lsn: string) => string) | undefined;
  /** Whether the operator has confirmed the locations that are absent or cannot be read on this host. */
  asWere: boolean;
}

/** Why recovery must not replay this creation of a tablespace; undefined if recovery may. */
export async function refusalOf(creation: Creation, judging: Judging): Promise<HoldfastError | undefined> {
  const place = await lookAt(creation.location, Number.parseInt(judging.backup.serverVersion, 10));
  if (place === 'free' || (place !== 'taken' && judging.asWere)) return undefined;
  return new HoldfastError('failed', whatHappens(creation, place), {
    code: 'tablespace_created',
    hint: [...waysRound(creation, judging), ...waysThrough(creation, place)].join(', or '),
  });
}

async function lookAt(location: string, major: number): Promise<Place> {
  try {
    const names = await readdir(bytePathBelow(location, ''));
    return names.some((name) => name.startsWith(`PG_${major}_`)) ? 'taken' : 'free';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'absent' : 'unknown';
  }
}

function whatHappens(creation: Creation, place: Place): string {
  const { oid, location, lsn, after } = creation;
  const where = `"${bytePathBelow(location, '').toString()}"`;
  const when = `at ${formatLsn(lsn)}${after === undefined ? '' : ` (after ${formatTime({ microseconds: after })})`}`;
  const created = `tablespace ${oid} was created in ${where} ${when}, since the backup began`;
  switch (place) {
    case 'taken':
      return `recovery would take over the files of another server: ${created}, and a server's files are there`;
    case 'absent':
      return `recovery would end on the way: ${created}, and there is no such directory`;
    case 'unknown':
    case 'free':
      return `recovery may take over the files of another server: ${created}, which cannot be looked at`;
  }
}

/** How to keep recovery from reaching the record. */
function waysRound({ lsn }: Creation, { backup, stopBefore }: Judging): string[] {
  const isOfBackup = lsn < parseLsn(backup.stopLsn);
  return [
    ...(isOfBackup || stopBefore === undefined ? [] : [stopBefore(formatLsn(lsn))]),
    'restore a backup that was begun later, which has it',
  ];
}

/** How to make the location acceptable. */
function waysThrough({ location }: Creation, place: Place): string[] {
  const where = `"${bytePathBelow(location, '').toString()}"`;
  if (place === 'taken')
    return [`restore on another host, or empty ${where} where it is of no server any more`];
  const later = 'give --tablespaces-as-they-were where the server will find it empty';
  return [...(place === 'absent' ? [`make ${where} for the user of the server`] : []), later];
}
