/**
 * Where Holdfast keeps its own in a server's pg_wal, since only there a rename reaches pg_wal. PostgreSQL's tools
 * pass over names that begin with "pgsql_tmp" (src/include/storage/fd.h: PG_TEMP_FILE_PREFIX): pg_basebackup does not
 * send them, and pg_rewind does not copy them. In the directory that it rewinds it removes them, as all that the
 * source does not have; so nothing there may come and go while no server runs (server-state.ts).
 */
import { join } from 'node:path';

const prefix = 'pgsql_tmp';

/** bin/holdfast-wal has these two names as well. */
export function pushDirectory(walDirectory: string): string {
  return join(walDirectory, `${prefix}.holdfast.push`);
}

export function fetchDirectory(walDirectory: string): string {
  return join(walDirectory, `${prefix}.holdfast.fetch`);
}

/** What a file of that name is written under until it is whole. */
export function writtenAs(name: string): string {
  return `${prefix}.holdfast-writing.${name}`;
}
