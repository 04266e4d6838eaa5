// Backups in a repository, and their requests, as they would be after weeks: made by hand, a day apart.
import { link, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Finished } from '../../dev/harness/children.ts';
import type { RepositoryBackup } from '../../src/repository/repository-backup.ts';
import { describedBackup } from './described-backup.ts';
import { asRole, installedDatabase, type InstalledDatabase, type Login } from './installed-database.ts';
import { holdfast } from './process.ts';
import { connect, type SqlClient } from './sql-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const systemIdentifier = '7000000000000000001';
const segmentSize = 16 * 1024 * 1024;
const day = 86_400_000;

export interface RetentionStage {
  db: InstalledDatabase;
  superuser: SqlClient;
  operator: Login;
  repository: string;
  /** Of the cluster. */
  directory: string;
  /** The names of the backups, oldest first; each has its own segment of WAL, and one more follows. */
  names: string[];
  ids: string[];
  policy: (columns: Record<string, unknown>) => Promise<void>;
  expire: (args?: string[], env?: NodeJS.ProcessEnv) => Promise<Finished>;
  /** The same, which has to succeed, as it says in JSON. */
  expired: (args?: string[], env?: NodeJS.ProcessEnv) => Promise<Expired>;
  /** For a process that is to be killed. */
  command: string[];
  /** What is in backups/. */
  listed: () => Promise<string[]>;
  /** The segments in the archive: those of timeline 1, log 0. */
  segments: () => Promise<string[]>;
}

export interface Expired {
  policy: object | null;
  goes: { backup: string; reasons: string[] }[];
  stays: { backup: string; reasons: string[] }[];
  wal_goes: { start_wal: string; end_wal: string; files: number }[];
  wal_stays: { start_wal: string; end_wal: string; reason: string }[];
  finished: string[];
  relisted: { backup: string; reasons: string[] }[];
  problems: string[];
}

export interface RetentionStageOptions {
  backups?: number;
  method?: 'copy' | 'hold';
  daysAgo?: number;
  /** Of each backup, counted from 0, the one that it is an incremental copy of. */
  parents?: (number | undefined)[];
}

/** The last one ended an hour ago, or an hour and so many days; each one has two segments of WAL, its own and one after it. */
export async function retentionStage(
  t: ExecutionContext,
  {
    parents = [],
    backups = parents.length === 0 ? 4 : parents.length,
    method = 'copy',
    daysAgo = 0,
  }: RetentionStageOptions = {},
): Promise<RetentionStage> {
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  const operator = await asRole(t, db, 'operator');
  const repository = await temporaryDirectory(t);
  const directory = join(repository, 'main');
  const wal = join(directory, 'wal', '0000000100000000');
  await mkdir(wal, { recursive: true });
  await mkdir(join(directory, 'backups'));
  await writeFile(
    join(directory, 'cluster.json'),
    JSON.stringify({ version: 1, systemIdentifier, walSegmentSize: segmentSize }),
  );
  const stage = { names: [] as string[], ids: [] as string[] };
  const links: (Incremental | undefined)[] = [];
  for (let n = 1; n <= backups; n += 1) {
    const ended = new Date(Date.now() - (daysAgo + backups - n) * day - 3_600_000);
    for (const number of [2 * n, 2 * n + 1]) {
      const file = join(wal, `${segment(number)}.zst`);
      await writeFile(file, `segment ${number}`);
      await utimes(file, ended, ended);
    }
    const parent = parents[n - 1];
    const incremental = parent === undefined ? undefined : linkTo(stage, parent, links[parent]);
    links.push(incremental);
    const id = await insertComplete(superuser, n, { ended, method, incremental });
    stage.ids.push(id);
    stage.names.push(`${nameOf(started(ended))}-${id}`);
    if (method === 'copy') await makeBackup(directory, n, { id, ended, incremental });
  }
  if (method === 'copy')
    await symlink(join('backups', String(stage.names.at(-1))), join(directory, 'latest'));
  const login = await asRole(t, db, 'worker');
  const args = ['expire', '--repository', repository];
  const expire: RetentionStage['expire'] = (more = [], env = {}) =>
    holdfast([...args, ...more], { url: login.url, env });
  return {
    ...stage,
    db,
    superuser,
    operator,
    repository,
    directory,
    expire,
    command: args,
    async expired(more = [], env = {}) {
      const { stdout, stderr, status } = await expire(['--json', ...more], env);
      if (status !== 0) throw new Error(`expire ended with ${status}: ${stderr}${stdout}`);
      return (JSON.parse(stdout) as [Expired])[0];
    },
    async policy(columns) {
      const keys = Object.keys(columns);
      await operator.query('delete from holdfast.retention_policy');
      await operator.query(
        `insert into holdfast.retention_policy (cluster, ${keys.join(', ')})
         values ('main', ${keys.map((_, at) => `$${at + 1}`).join(', ')})`,
        Object.values(columns),
      );
    },
    listed: async () => (await readdir(join(directory, 'backups'))).sort(),
    segments: async () =>
      (await readdir(wal).catch((): string[] => [])).map((name) => name.replace('.zst', '')).sort(),
  };
}

export function segment(number: number): string {
  return `0000000100000000${number.toString(16).toUpperCase().padStart(8, '0')}`;
}

const lsn = (number: number, offset: number) =>
  `0/${(number * segmentSize + offset).toString(16).toUpperCase()}`;
const started = (ended: Date) => new Date(ended.getTime() - 30_000);
const nameOf = (time: Date) => time.toISOString().replaceAll(/[-:]|\.\d+/g, '');

type Incremental = NonNullable<RepositoryBackup['incremental']>;

/** What an incremental copy says of its parent, counted from 0. */
function linkTo(
  { names, ids }: { names: string[]; ids: string[] },
  parent: number,
  before: Incremental | undefined,
): Incremental {
  const name = String(names[parent]);
  return {
    parent: name,
    parentRequest: Number(ids[parent]),
    fromLsn: lsn(2 * (parent + 1), 40),
    fromTimeline: 1,
    parentManifestCrc32c: 0,
    full: before?.full ?? name,
    links: (before?.links ?? 0) + 1,
    lengthsCrc32c: 0,
  };
}

interface Made {
  ended: Date;
  incremental: Incremental | undefined;
}

/** A complete backup's row, with what only time could write. */
async function insertComplete(
  superuser: SqlClient,
  n: number,
  { ended, method, incremental }: Made & { method: string },
): Promise<string> {
  await superuser.query('begin');
  await superuser.query('set local session_replication_role = replica');
  const id = await superuser.value<string>(
    `insert into holdfast.backup_request (label, method, state, requested_by, requested_login, requested_at, moved_by,
       control_origin, worker, pid, backend_start, started_at, start_lsn, start_wal, timeline, system_identifier,
       server_version, stopped_at, stop_lsn, stop_wal, backup_label, archived_at, finished_at, incremental, parent,
       incremental_from)
     values ($1, $2, 'complete', 'somebody', 'somebody', $3, 'somebody', 'here', 'played', 1, $3, $3, $4, $5, 1, $6,
       '18.4', $7, $8, $5, 'label', $7, $7, $9, $10, $11)
     returning id`,
    [
      `backup ${n}`,
      method,
      started(ended),
      lsn(2 * n, 40),
      segment(2 * n),
      systemIdentifier,
      ended,
      lsn(2 * n, 400),
      incremental !== undefined,
      incremental?.parentRequest ?? null,
      incremental?.fromLsn ?? null,
    ],
  );
  await superuser.query('commit');
  return id;
}

async function makeBackup(
  directory: string,
  n: number,
  { id, ended, incremental }: Made & { id: string },
): Promise<void> {
  const place = join(directory, 'backups', `${nameOf(started(ended))}-${id}`);
  await mkdir(join(place, 'pg_wal'), { recursive: true });
  await writeFile(join(place, 'base.tar.zst'), `base of ${id}`);
  await writeFile(join(place, 'backup_manifest'), '{}');
  const name = segment(2 * n);
  await link(join(directory, 'wal', '0000000100000000', `${name}.zst`), join(place, 'pg_wal', `${name}.zst`));
  await mkdir(`${place}.meta`);
  await writeFile(join(`${place}.meta`, 'backup_label'), 'label');
  const description = describedBackup({
    id: Number(id),
    label: `backup ${n}`,
    systemIdentifier,
    startedAt: started(ended).toISOString(),
    stoppedAt: ended.toISOString(),
    startLsn: lsn(2 * n, 40),
    startWal: name,
    stopLsn: lsn(2 * n, 400),
    stopWal: name,
    walSegmentSize: segmentSize,
    ...(incremental && { incremental }),
  });
  await writeFile(join(`${place}.meta`, 'backup.json'), description);
}
