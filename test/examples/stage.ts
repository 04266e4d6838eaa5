// What every example needs: a database with Holdfast, a worker, a login that may request backups, a directory.
import { mkdir, readFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { runProcess, type Finished } from '../../dev/harness/children.ts';
import {
  asRole,
  installedDatabase,
  type InstalledDatabase,
  type Login,
} from '../support/installed-database.ts';
import { psqlPath } from '../../dev/harness/psql-path.ts';
import { startWorkerProcess } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

export interface Stage {
  db: InstalledDatabase;
  requester: Login;
  /** Empty, for the copy and the label. */
  directory: string;
  /** Runs an example, or another program, as a user would who has set PGHOST and its like. */
  run(program: string, ...args: string[]): Promise<Finished>;
  request(): Promise<Request>;
}

export interface Request {
  label: string;
  state: string;
  backup_label: string | null;
}

const checkout = fileURLToPath(new URL('../../', import.meta.url));

export function example(path: string): string {
  return join(checkout, 'examples', path);
}

export async function stage(t: ExecutionContext): Promise<Stage> {
  const db = await installedDatabase(t);
  await startWorkerProcess(t, { url: db.url });
  const requester = await asRole(t, db, 'requester');
  const directory = join(await temporaryDirectory(t), 'copy of today');
  await mkdir(directory);
  return {
    db,
    requester,
    directory,
    run: (program, ...args) => runProcess(program, args, { env: environment(requester.url) }),
    async request() {
      const [request] = await requester.query<Request>(
        'select label, state, backup_label from holdfast.backup_request order by id desc limit 1',
      );
      if (!request) throw new Error('there is no request');
      return request;
    },
  };
}

/** psql and the other clients take PG…, holdfast and Python take DATABASE_URL. */
function environment(url: string): NodeJS.ProcessEnv {
  const { hostname, port, username, password, pathname } = new URL(url);
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    PATH: [...(psqlPath === undefined ? [] : [join(psqlPath, '..')]), process.env['PATH']].join(':'),
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    DATABASE_URL: url,
    HOLDFAST: join(checkout, 'bin', 'holdfast.js'),
  };
}

/** The backup is complete, and its label is in the directory, byte for byte. */
export async function finished(t: ExecutionContext, scene: Stage): Promise<void> {
  const { state, backup_label: label } = await scene.request();
  t.is(state, 'complete');
  t.is(await readFile(join(scene.directory, 'backup_label'), 'utf8'), label ?? '');
}

/** For testWhen(): why something that has to be installed is not there; undefined when it is. */
export function unless(works: [string, ...string[]], reason: string): string | undefined {
  const [program, ...args] = works;
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0 ? undefined : reason;
}
