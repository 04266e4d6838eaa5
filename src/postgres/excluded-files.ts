/**
 * The files that a copy of a data directory leaves out: see the manual's "Making a Base Backup Using the Low Level
 * API" (section Backing Up The Data Directory) and pg_basebackup (src/backend/backup/basebackup.c: sendDir,
 * excludeDirContents, excludeFiles). Paths are relative to the data directory, separated by "/". Paths in a
 * tablespace begin with pg_tblspc/<oid>/.
 */

/** Directories copied as empty ones: a server creates the content anew, or must not find another server's content. */
const emptied = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);

/**
 * Files at the top of the data directory. The labels there belong to other backups, and would be taken for labels of
 * this backup.
 */
const topFiles = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
  'tablespace_map.old',
  'backup_manifest',
  'postgresql.auto.conf.tmp',
  'current_logfiles',
  'current_logfiles.tmp',
]);

/** Whether a directory is copied without its content. */
export function isEmptied(path: string): boolean {
  return emptied.has(path);
}

/** Directories at the top of the data directory whose content PostgreSQL reads. */
const servers = new Set([
  ...emptied,
  'base',
  'global',
  'pg_commit_ts',
  'pg_logical',
  'pg_multixact',
  'pg_stat',
  'pg_tblspc',
  'pg_twophase',
  'pg_xact',
]);

/** Whether a path belongs to PostgreSQL's data, without which the cluster is not complete. */
export function isServers(path: string): boolean {
  const [top = ''] = path.split('/', 1);
  return servers.has(top) || path === 'PG_VERSION';
}

/**
 * What the names of incremental files begin with. No server has such files; where an incremental backup was unpacked over
 * a data directory, they are left out, because they would be taken for a part of the backup.
 */
export const incrementalPrefix = 'INCREMENTAL.';

/** Whether a file or directory is left out. global/pg_control is copied separately, after all other files. */
export function isExcluded(path: string): boolean {
  const name = baseName(path);
  if (name.startsWith('pgsql_tmp')) return true;
  if (!path.includes('/')) return topFiles.has(name);
  if (path === 'global/pg_control') return true;
  if (name.startsWith('pg_internal.init') || name.startsWith(incrementalPrefix))
    return holdsRelations(directoryOf(path));
  return isDatabase(directoryOf(path)) && /^t\d+_\d+(_[a-z]+)?(\.\d+)?$/.test(name);
}

/**
 * Returns the relation whose init fork the file is; undefined for every other file. Such a relation is unlogged, and
 * is empty after recovery.
 */
export function unloggedRelation(name: string): string | undefined {
  return /^(\d+)_init$/.exec(name)?.[1];
}

/**
 * Whether a file belongs to an unlogged relation and is not the init fork, from which recovery creates the file anew.
 */
export function isUnloggedContent(name: string, unlogged: ReadonlySet<string>): boolean {
  const relation = relationFile(name);
  return relation !== undefined && relation.fork !== 'init' && unlogged.has(relation.relation);
}

/** The parts of a relation file's name. */
export interface RelationFile {
  /** The number in the name (relfilenode). */
  relation: string;
  fork: string;
  /** The number of the file among the files into which the fork is split. */
  segment: number;
}

/**
 * Parses the name of a relation's file: <number> or <number>_<fork>, either with .<segment>. Returns undefined for
 * every other name.
 */
export function relationFile(name: string): RelationFile | undefined {
  const [, relation, fork = 'main', segment = '0'] =
    /^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/.exec(name) ?? [];
  return relation === undefined ? undefined : { relation, fork, segment: Number(segment) };
}

/** Whether files in the directory that are named like relation files are relation files. */
export function holdsRelations(directory: string): boolean {
  return directory === 'global' || isDatabase(directory);
}

function isDatabase(directory: string): boolean {
  return /^(base|pg_tblspc\/\d+\/PG_\d+_\d+)\/\d+$/.test(directory);
}

/**
 * The directory in a tablespace that belongs to one major version. A tablespace may have directories of several
 * versions.
 */
export function versionDirectory(major: number, catalogVersion: number): string {
  return `PG_${major}_${catalogVersion}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
