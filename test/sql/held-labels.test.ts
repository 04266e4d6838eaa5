// Labels that others are requesting, or whose advisory locks they hold: nobody waits for them longer than a moment.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase, type InstalledDatabase } from '../support/installed-database.ts';
import { playWorker, type PlayedWorker } from '../support/played-worker.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db);
  const [victim, attacker] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  for (const client of [victim, worker.client]) await client.query(`set lock_timeout = '2s'`);
  return { db, victim, attacker, worker };
}

test('an INSERT is refused in a moment while another transaction is requesting its label', async (t) => {
  const { victim, attacker } = await setUp(t);
  await attacker.query('begin');
  await request(attacker, { label: 'nightly' });
  await t.throwsAsync(request(victim, { label: 'nightly' }), {
    code: '55P03',
    message: 'label "nightly" of cluster "main" is being requested by another transaction',
  });
  await t.notThrowsAsync(request(victim, { label: 'weekly' }), 'no other label is concerned');

  await attacker.query('rollback');
  await t.notThrowsAsync(request(victim, { label: 'nightly' }));
});

test('a request without a label waits for nobody who has guessed its label', async (t) => {
  const { victim, attacker } = await setUp(t);
  const id = Number(await request(victim));
  const [seconds, ids] = [30, 2];
  const first = id + seconds * ids + 1;
  await attacker.query('begin');
  await attacker.query(
    `insert into holdfast.backup_request (label)
     select to_char(statement_timestamp() at time zone 'UTC' + make_interval(secs => s), 'YYYYMMDD"T"HH24MISS"Z"') || '-' || n
     from generate_series(0, $1::int) s, generate_series($2::bigint, $2 + 1) n`,
    [seconds - 1, first],
  );
  for (const next of [first, first + 1]) {
    const given = await victim.query(
      'insert into holdfast.backup_request default values returning id, label',
    );
    t.is(Number(given[0]?.['id']), next);
    t.regex(String(given[0]?.['label']), new RegExp(`^\\d{8}T\\d{6}Z-${next}-[0-9a-f]{8}$`));
    if (next === first) await attacker.query('commit');
  }
  const [free] = await victim.query('insert into holdfast.backup_request default values returning label');
  t.regex(String(free?.['label']), /^\d{8}T\d{6}Z-\d+$/);
});

test('no advisory lock that a stranger takes holds up a label, nor opens a way past another’s request', async (t) => {
  const { db, victim, attacker, worker } = await setUp(t);
  const stranger = await asRole(t, db);
  const key = (label: string) => `hashtextextended('holdfast/main/' || '${label}', 0)`;
  const label = 'nightly';
  await stranger.query(`select pg_advisory_lock(${key(label)})`);
  await t.notThrowsAsync(request(victim, { label }));
  await victim.query(`update holdfast.backup_request set state = 'cancelled'`);

  // The stranger lets go once the requester's transaction has come in under the stranger's lock.
  await attacker.query('begin');
  await request(attacker, { label });
  await stranger.query('select pg_advisory_unlock_all()');
  await t.throwsAsync(
    request(victim, { label }),
    { code: '55P03', message: 'label "nightly" of cluster "main" is being requested by another transaction' },
    'it is refused, and does not wait',
  );
  await attacker.query('rollback');
  await t.notThrowsAsync(request(victim, { label }));

  const due = '2020-01-01 00:00:00+00';
  const scheduled = 'evening 20200101T000000Z';
  await stranger.query(`select pg_advisory_lock(${key(scheduled)})`);
  await attacker.query('begin');
  await request(attacker, { label: scheduled });
  await stranger.query('select pg_advisory_unlock_all()');
  const run = await dueRun(t, db, { name: 'evening', due, worker });
  t.is(run?.['state'], 'requested');
  t.regex(String(run?.['label']), /^evening 20200101T000000Z [0-9a-f]{8}$/);
  await attacker.query('rollback');
});

test('a stranger and a requester together hold up no request that leaves its label to Holdfast', async (t) => {
  const { db, victim, attacker } = await setUp(t);
  const stranger = await asRole(t, db);
  const next = Number(await request(victim)) + 61;
  const labels = `select to_char(statement_timestamp() at time zone 'UTC' + make_interval(secs => s), 'YYYYMMDD"T"HH24MISS"Z"')
      || '-' || $1::bigint as label
    from generate_series(0, 59) s`;
  await stranger.query(
    `select pg_advisory_lock(hashtextextended('holdfast/main/' || label, 0)) from (${labels}) l`,
    [next],
  );
  await attacker.query('begin');
  await attacker.query(`insert into holdfast.backup_request (label) ${labels}`, [next]);
  await stranger.query('select pg_advisory_unlock_all()');
  const [given] = await victim.query(
    'insert into holdfast.backup_request default values returning id, label',
  );
  t.is(Number(given?.['id']), next);
  t.regex(String(given?.['label']), new RegExp(`^\\d{8}T\\d{6}Z-${next}-[0-9a-f]{8}$`));
  await attacker.query('rollback');
});

test('nobody holds up a schedule’s run by its label or its label’s lock', async (t) => {
  const { db, attacker, worker } = await setUp(t);
  const due = '2020-01-01 00:00:00+00';
  const label = 'nightly 20200101T000000Z';
  await request(attacker, { label });
  await attacker.query('begin');
  await attacker.query(`select pg_advisory_xact_lock(hashtextextended('holdfast/main/' || $1, 0))`, [label]);
  const run = await dueRun(t, db, { name: 'nightly', due, worker });
  t.is(run?.['state'], 'requested');
  t.regex(String(run?.['label']), /^nightly 20200101T000000Z [0-9a-f]{8}$/);

  await attacker.query('rollback');
  await t.throwsAsync(request(attacker, { label: 'nightly 20210101T000000Z' }), {
    code: 'HF001',
    message: 'label "nightly 20210101T000000Z" belongs to schedule "nightly"',
  });
  await t.notThrowsAsync(request(attacker, { label: 'nightly by hand' }));
});

/** The run of a new schedule that is due, once a worker has tended it; with the label of its request. */
async function dueRun(
  t: ExecutionContext,
  db: InstalledDatabase,
  { name, due, worker }: { name: string; due: string; worker: PlayedWorker },
): Promise<Record<string, unknown> | undefined> {
  const operator = await asRole(t, db, 'operator');
  await operator.query(`set lock_timeout = '2s'`);
  await operator.query(`insert into holdfast.backup_schedule (name, cron) values ($1, '0 0 1 1 *')`, [name]);
  const superuser = await connect(t, db.url);
  await superuser.query(
    `insert into holdfast.backup_schedule_run (schedule, due_at, state, start_at) values ($1, $2, 'due', $2)`,
    [name, due],
  );
  await worker.client.query(`select holdfast.tend_schedule($1)`, [name]);
  const [run] = await superuser.query(
    `select r.state, b.label from holdfast.backup_schedule_run r join holdfast.backup_request b on b.id = r.request_id`,
  );
  return run;
}
