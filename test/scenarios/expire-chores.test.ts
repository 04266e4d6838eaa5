// Expiry asked for by a row, which workers do: once, wholly, and again where one was killed in the middle of it.
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { chore, noChores, requestChore, untilChore, type ChoreRow } from '../support/chores.ts';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast, startWorkerProcess, type WorkerProcess } from '../support/process.ts';
import { retentionStage, segment, type RetentionStage } from '../support/retention-stage.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noChores).serial;

const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();

interface ChoreStage extends RetentionStage {
  startWorker: () => Promise<WorkerProcess>;
}

async function choreStage(t: ExecutionContext, backups: number): Promise<ChoreStage> {
  const stage = await retentionStage(t, { backups });
  const { url } = await asRole(t, stage.db, 'worker');
  const env = { HOLDFAST_REPOSITORY: stage.repository };
  return { ...stage, startWorker: () => startWorkerProcess(t, { url, env }) };
}

/** Of the backups that an expiry removed. */
function namesOf({ result }: ChoreRow): string[] {
  const { expired } = result as { expired: { backup: string }[] };
  return expired.map(({ backup }) => backup);
}

test('an expiry asked for by INSERT removes what the policy does not keep, and nothing else', async (t) => {
  const stage = await choreStage(t, 4);
  const { names, operator } = stage;
  await stage.startWorker();
  const without = await untilChore(operator, await requestChore(operator, 'expire'), 'complete');
  t.like(without.result, { policy: null, expired: [] });
  await stage.policy({ keep_last: 2 });
  const tried = await requestChore(operator, 'expire', { dry_run: true });
  const would = await untilChore(operator, tried, 'complete');
  t.deepEqual(await stage.listed(), whole(names));
  t.is((await stage.segments()).length, 8);

  // A requester may keep rows locked for any time: that is to be seen, and holds up no worker.
  await stage.superuser.query('begin; select from holdfast.backup_request for update');
  const locked = await untilChore(operator, await requestChore(operator, 'expire'), 'failed');
  t.regex(String(locked.error), new RegExp(`is kept locked by backend ${stage.superuser.pid} of role`));
  await stage.superuser.query('rollback');
  t.deepEqual(await stage.listed(), whole(names));

  // Whoever writes a result of a verification has them locked as well, for a moment.
  await stage.superuser.query('begin; select from holdfast.backup_request for key share');
  const asked = await requestChore(operator, 'expire');
  await eventually('the expiry waits for the row', () =>
    operator.value(`select exists (select from pg_locks where not granted and locktype = 'transactionid')`),
  );
  await stage.superuser.query('commit');
  const done = await untilChore(operator, asked, 'complete');
  t.like(done, { attempts: 1, error: null });
  t.like(done.result, { stays: 2, wal_files: 4, problems: [], finished: [] });
  t.deepEqual(done.result?.['expired'], would.result?.['expired']);
  t.deepEqual(namesOf(done), names.slice(0, 2));
  t.true(Number(done.result?.['bytes']) > 0);
  t.deepEqual(await stage.listed(), whole(names.slice(2)));
  t.deepEqual(await stage.segments(), [6, 7, 8, 9].map(segment));
});

test('two workers that are asked many times remove each backup once, and no expiry fails', async (t) => {
  const stage = await choreStage(t, 8);
  const { names, operator } = stage;
  await stage.policy({ keep_last: 2 });
  const asked: string[] = [];
  for (let n = 0; n < 6; n += 1) asked.push(await requestChore(operator, 'expire'));
  await Promise.all([stage.startWorker(), stage.startWorker()]);
  const done = await Promise.all(asked.map((id) => untilChore(operator, id, 'complete')));
  t.deepEqual(
    done.map(({ attempts }) => attempts),
    asked.map(() => 1),
  );
  t.deepEqual(done.flatMap(namesOf).sort(), names.slice(0, 6));
  const noted = await operator.query('select backup, removed_at from holdfast.backup_expiry order by backup');
  t.deepEqual(
    noted.map(({ backup, removed_at }) => [backup, removed_at !== null]),
    names.slice(0, 6).map((name) => [name, true]),
  );
  t.deepEqual(await stage.listed(), whole(names.slice(6)));
  t.deepEqual(await stage.segments(), [14, 15, 16, 17].map(segment));
});

test('an expiry that fails at each of its attempts removes nothing, and stays to be seen with its error', async (t) => {
  const stage = await choreStage(t, 4);
  const { names, operator } = stage;
  await stage.policy({ keep_last: 2 });
  await writeFile(join(stage.directory, 'backups', `${names[3]}.meta`, 'backup.json'), '{"id":');
  await stage.startWorker();
  const id = await requestChore(operator, 'expire');
  const failed = await untilChore(operator, id, 'failed');
  t.like(failed, { attempts: 3, next_attempt_at: null });
  t.regex(String(failed.error), /description cannot be read/);
  t.is(await stage.superuser.value('select count(*)::int from holdfast_boss.job'), 0);
  t.deepEqual(await stage.listed(), whole(names));
  const checked = await holdfast(['check'], { url: operator.url });
  t.regex(checked.stdout, /^warning +cluster main, chore 1 \(expire\): failed .*description cannot be read/m);
  const { stdout } = await holdfast(['status'], { url: operator.url });
  t.regex(stdout, /Chores\n.*\n +1 +main +expire +failed/);
});

const waiting = `locktype = 'advisory' and not granted
  and database = (select oid from pg_database where datname = current_database())`;

/** Whoever writes to backup_expiry like that waits until goOn(). */
async function stopAt(superuser: SqlClient, statement: string): Promise<void> {
  await superuser.query('select pg_advisory_lock(42)');
  await superuser.query(`create function wait_here() returns trigger language plpgsql set lock_timeout = 0 as
    $$ begin perform pg_advisory_xact_lock(42); return null; end $$`);
  await superuser.query(`create trigger wait_here after ${statement} on holdfast.backup_expiry
    for each row execute function wait_here()`);
}

/** What the killed worker had begun in the database is rolled back. */
async function goOn(superuser: SqlClient): Promise<void> {
  await superuser.query(`select pg_terminate_backend(pid) from pg_locks where ${waiting}`);
  await superuser.query('drop trigger wait_here on holdfast.backup_expiry');
  await superuser.query('select pg_advisory_unlock(42)');
}

/** Where the worker is killed: what it was writing, and whether the backup is in the repository still. */
const moments = {
  'while it notes that a backup goes': { statement: 'insert', filesLeft: true },
  'when the files of a backup are gone': { statement: 'update', filesLeft: false },
};
for (const [when, { statement, filesLeft }] of Object.entries(moments)) {
  test(`a worker killed ${when} leaves nothing that is listed and not whole, and the next one goes on`, async (t) => {
    const stage = await choreStage(t, 4);
    const { names, operator, superuser } = stage;
    await stage.policy({ keep_last: 2 });
    await stopAt(superuser, statement);
    const worker = await stage.startWorker();
    const id = await requestChore(operator, 'expire');
    await eventually('it is in the middle of it', () =>
      superuser.value<boolean>(`select exists (select from pg_locks where ${waiting})`),
    );
    worker.kill('SIGKILL');
    await worker.exited;
    const first = join(stage.directory, 'backups', String(names[0]));
    t.is(existsSync(first), filesLeft);
    t.is(existsSync(`${first}.meta`), filesLeft);
    t.true((await stage.listed()).includes(`${names[1]}.meta`));
    t.is((await stage.segments()).length, 8);
    t.is((await chore(operator, id)).state, 'running');

    await goOn(superuser);
    await stage.startWorker();
    t.like(await untilChore(operator, id, 'complete'), { attempts: 2, error: null });
    t.deepEqual((await readdir(join(stage.directory, 'backups'))).sort(), whole(names.slice(2)));
    t.deepEqual(await stage.segments(), [6, 7, 8, 9].map(segment));
    t.is(
      await operator.value('select count(*)::int from holdfast.backup_expiry where removed_at is not null'),
      2,
    );
  });
}
