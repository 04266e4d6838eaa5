/**
 * Holdfast's directories in a server's pg_wal. The directories have to be there, because only a rename within the
 * file system of pg_wal is possible. PostgreSQL's tools skip names that begin with "pgsql_tmp"
 * (src/include/storage/fd.h: PG_TEMP_FILE_PREFIX): pg_basebackup does not send such files, and pg_rewind does not
 * copy them. In its target, pg_rewind removes such files, because the source does not have them. Therefore no file
 * may appear or disappear in these directories while no server runs (see server-state.ts).
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const prefix = 'pgsql_tmp';

/** The directory of the markers (see pushed-markers.ts). bin/holdfast-wal contains the same name. */
export function pushDirectory(walDirectory: string): string {
  return join(walDirectory, `${prefix}.holdfast.push`);
}

/** The spool of prefetched segments (see spool.ts). bin/holdfast-wal contains the same name. */
export function fetchDirectory(walDirectory: string): string {
  return join(walDirectory, `${prefix}.holdfast.fetch`);
}

/**
 * Whether this user owns the data directory. The server could not read files written by another user, for example by
 * root with a push typed by hand, and its user could lead root elsewhere by a symbolic link. The data directory decides,
 * because pg_wal may be a volume owned by root and writable for a group.
 */
export async function isOwnDirectory(walDirectory: string): Promise<boolean> {
  return (await stat(dirname(walDirectory))).uid === process.geteuid?.();
}

/** The name under which a file is written until the content is complete. */
export function writtenAs(name: string): string {
  return `${prefix}.holdfast-writing.${name}`;
}
