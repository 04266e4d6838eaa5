/**
 * Tablespaces that recovery creates. A backup's own are put where the operator says; one that was created since is made
 * at the place that the WAL names, and what is there already is emptied or taken over: on the host of the old cluster,
 * the files of the old cluster (src/backend/commands/tablespace.c: create_tablespace_directories).
 */
import { readdir } from 'node:fs/promises';
import { HoldfastError } from '../errors.ts';
import { formatLsn, parseLsn } from '../postgres/lsn.ts';
import type { RepositoryBackup } from '../repository/repository-backup.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import { formatTime } from './recovery-target.ts';
import type { WalEvent } from './wal-events.ts';

export type Creation = Extract<WalEvent, { kind: 'tablespace' }>;

/** What is at its place on this host. */
type Place = 'free' | 'absent' | 'taken' | 'unknown';

export interface Judging {
  backup: Pick<RepositoryBackup, 'serverVersion' | 'stopLsn'>;
  /** What to type so that recovery ends before an LSN; undefined: nothing ends it. */
  stopBefore: ((lsn: string) => string) | undefined;
  /** Whether the operator has said that places which cannot be seen here will be right. */
  asWere: boolean;
}

/** Why recovery must not come to it; undefined: it may. */
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

/** How recovery does not come to it. */
function waysRound({ lsn }: Creation, { backup, stopBefore }: Judging): string[] {
  const isOfBackup = lsn < parseLsn(backup.stopLsn);
  return [
    ...(isOfBackup || stopBefore === undefined ? [] : [stopBefore(formatLsn(lsn))]),
    'restore a backup that was begun later, which has it',
  ];
}

/** How it may come to it. */
function waysThrough({ location }: Creation, place: Place): string[] {
  const where = `"${bytePathBelow(location, '').toString()}"`;
  if (place === 'taken')
    return [`restore on another host, or empty ${where} where it is of no server any more`];
  const later = 'give --tablespaces-as-they-were where the server will find it empty';
  return [...(place === 'absent' ? [`make ${where} for the user of the server`] : []), later];
}
