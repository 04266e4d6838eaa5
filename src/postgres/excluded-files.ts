/**
 * What a copy of a data directory leaves out: the manual's "Making a Base Backup Using the Low Level API" (section
 * Backing Up The Data Directory) and pg_basebackup (src/backend/backup/basebackup.c: sendDir, excludeDirContents,
 * excludeFiles). Paths are relative to the data directory, separated by "/"; those in a tablespace begin with
 * pg_tblspc/<oid>/.
 */

/** Taken as empty directories: a server makes their contents anew, or must not find another's. */
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

/** At the top of the data directory. The labels there are of other backups, and would be taken for this one's. */
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

/** A directory that is copied without what is in it. */
export function isEmptied(path: string): boolean {
  return emptied.has(path);
}

/** Directories at the top whose contents PostgreSQL reads. */
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

/** Whether PostgreSQL has its data there: without it, the cluster is not whole. */
export function isServers(path: string): boolean {
  const [top = ''] = path.split('/', 1);
  return servers.has(top) || path === 'PG_VERSION';
}

/** A file or directory that is not copied at all; pg_control is, by itself and later. */
export function isExcluded(path: string): boolean {
  const name = baseName(path);
  if (name.startsWith('pgsql_tmp')) return true;
  if (!path.includes('/')) return topFiles.has(name);
  if (path === 'global/pg_control') return true;
  if (name.startsWith('pg_internal.init')) return holdsRelations(directoryOf(path));
  return isDatabase(directoryOf(path)) && /^t\d+_\d+(_[a-z]+)?(\.\d+)?$/.test(name);
}

/** The relation of which this file is the init fork: it is unlogged, and begins empty after a recovery. */
export function unloggedRelation(name: string): string | undefined {
  return /^(\d+)_init$/.exec(name)?.[1];
}

/** Whether a file is part of an unlogged relation that is made anew from its init fork. */
export function isUnloggedContent(name: string, unlogged: ReadonlySet<string>): boolean {
  const relation = relationFile(name);
  return relation !== undefined && relation.fork !== 'init' && unlogged.has(relation.relation);
}

export interface RelationFile {
  /** The number in its name. */
  relation: string;
  fork: string;
  /** Which of the files that a relation is split into. */
  segment: number;
}

/** A relation's file by its name: <number>, <number>_<fork>, either with .<segment>; undefined: it is none. */
export function relationFile(name: string): RelationFile | undefined {
  const [, relation, fork = 'main', segment = '0'] =
    /^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/.exec(name) ?? [];
  return relation === undefined ? undefined : { relation, fork, segment: Number(segment) };
}

/** Whether files in that directory that are named like a relation's are one. */
export function holdsRelations(directory: string): boolean {
  return directory === 'global' || isDatabase(directory);
}

function isDatabase(directory: string): boolean {
  return /^(base|pg_tblspc\/\d+\/PG_\d+_\d+)\/\d+$/.test(directory);
}

/** The directory in a tablespace that belongs to one major version; there may be others' beside it. */
export function versionDirectory(major: number, catalogVersion: number): string {
  return `PG_${major}_${catalogVersion}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
