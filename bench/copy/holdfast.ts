/** INSERT with method copy, until it is complete, with a worker that runs as the server's user. */
import { join } from 'node:path';
import { Connection } from '../../src/database/connection.ts';
import { launch, type RunningProcess } from '../../dev/harness/children.ts';
import type { Peer } from './peer.ts';
import type { CopyServer } from './server.ts';
import { sh, sizeOf } from './shell.ts';
import { program } from '../programs.ts';

export function holdfast(server: CopyServer, level: number, jobs: number): Peer {
  const place = join(server.directory, 'repository');
  let worker: RunningProcess | undefined;
  let db: Connection | undefined;
  const stop = async () => {
    worker?.kill('SIGTERM');
    await worker?.exited;
  };
  return {
    name: `Holdfast (jobs = ${jobs})`,
    async prepare() {
      await sh(`install -d -o postgres -m 700 ${place} ${server.directory}/labels ${server.directory}/cache`);
      worker = await startBenchWorker(server, place, jobs);
      db = await Connection.open({ url: server.url });
    },
    /** A checkout compiles its sources the first time, and what that takes stays in memory; a package has none. */
    async warmedUp() {
      await stop();
      worker = await startBenchWorker(server, place, jobs);
    },
    /** The repository stays: one that is gone is taken for one that is not mounted. */
    clear: async () => void (await sh(`rm -rf ${place}/*/backups`)),
    async backUp() {
      await requestCopy(db, { level });
    },
    storedBytes: () => sizeOf(place),
    pid: () => worker?.pid ?? 0,
    async end() {
      await db?.close();
      await stop();
    },
  };
}

/** Requests a copy, and waits until it is complete. Returns its id. */
export async function requestCopy(
  db: Connection | undefined,
  { level, incremental = false }: { level: number; incremental?: boolean },
): Promise<number> {
  if (db === undefined) throw new Error('it is not prepared');
  const [row] = await db.query(
    `insert into holdfast.backup_request (method, fast, compress_level, incremental)
     values ('copy', true, $1, $2) returning id`,
    [level, incremental],
  );
  const id = Number(row?.['id']);
  await db.query('call holdfast.wait_for_backup($1)', [id]);
  return id;
}

/** A worker that runs as the server's user; it is ready when this resolves. */
export async function startBenchWorker(
  server: Pick<CopyServer, 'url' | 'directory'>,
  repository: string,
  jobs: number,
): Promise<RunningProcess> {
  const env = {
    ...process.env,
    DATABASE_URL: server.url,
    HOLDFAST_LABELS: `${server.directory}/labels`,
    HOLDFAST_REPOSITORY: repository,
    HOLDFAST_JOBS: String(jobs),
    XDG_CACHE_HOME: `${server.directory}/cache`,
  };
  const args = [
    '--reuid',
    'postgres',
    '--regid',
    'postgres',
    '--init-groups',
    process.execPath,
    program,
    'worker',
  ];
  const worker = await launch('setpriv', args, { env, cwd: '/' });
  await worker.untilLine(/\bready\b/);
  return worker;
}
