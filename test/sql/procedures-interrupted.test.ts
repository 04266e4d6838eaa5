// A start_backup that does not come to its end cancels its request; a stop_backup leaves it to finish by itself.
import test, { type ExecutionContext } from 'ava';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request, requestIn, stateOf } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

const interruptions = {
  'its own timeout': {
    timeout: `timeout => '3 s'`,
    code: 'HF012',
    interrupt: async () => {},
  },
  statement_timeout: {
    timeout: 'timeout => null',
    code: '57014',
    before: `set statement_timeout = '3s'`,
    interrupt: async () => {},
  },
  'pg_cancel_backend, as by Ctrl-C': {
    timeout: 'timeout => null',
    code: '57014',
    interrupt: async (superuser: SqlClient, pid: number) => {
      // A pause of 100 ms that has just begun: between two pauses an interruption would be too late.
      await eventuallyRow(
        superuser,
        `select from pg_stat_activity
         where pid = $1 and wait_event = 'PgSleep' and query_start < clock_timestamp() - interval '400 ms'
           and xact_start > clock_timestamp() - interval '30 ms'`,
        [pid],
      );
      await superuser.query('select pg_cancel_backend($1)', [pid]);
    },
  },
};

for (const [how, { timeout, code, interrupt, ...more }] of Object.entries(interruptions)) {
  const before = 'before' in more ? more.before : 'select 1';

  test(`start_backup ended by ${how} has cancelled its request`, async (t) => {
    const { requester, superuser } = await setUp(t);
    await requester.query(before);
    const start = requester.query(`call holdfast.start_backup('nightly', ${timeout})`);
    const [error] = await Promise.all([t.throwsAsync(start, { code }), interrupt(superuser, requester.pid)]);
    await t.notThrowsAsync(leftForNobody(superuser, error?.message ?? ''));
  });

  test(`start_backup ended by ${how} while it is starting has cancelled its request`, async (t) => {
    const { requester, superuser, worker } = await setUp(t);
    await requester.query(before);
    const start = requester.query(`call holdfast.start_backup('nightly', ${timeout})`);
    const ended = t.throwsAsync<Error>(start, { code });
    await eventuallyRow(superuser, 'select from holdfast.backup_request');
    await worker.claim('1');
    await interrupt(superuser, requester.pid);
    await t.notThrowsAsync(leftForNobody(superuser, (await ended)?.message ?? ''));
  });

  test(`stop_backup ended by ${how} leaves its backup to finish by itself`, async (t) => {
    const { requester, superuser, worker } = await setUp(t);
    const id = await requestIn('running', requester, worker);
    await requester.query(before);
    const stop = requester.query(`call holdfast.stop_backup(id => ${id}, ${timeout})`);
    await Promise.all([t.throwsAsync(stop, { code }), interrupt(superuser, requester.pid)]);
    t.is(await stateOf(superuser, id), 'done');
    await worker.move(id, 'archiving');
    await worker.move(id, 'complete');
    t.is(await stateOf(superuser, id), 'complete');
  });

  test(`wait_for_backup ended by ${how} changes nothing`, async (t) => {
    const { requester, superuser, worker } = await setUp(t);
    const id = await requestIn('running', requester, worker);
    await requester.query(before);
    const wait = requester.query(`call holdfast.wait_for_backup(${id}, ${timeout})`);
    await Promise.all([t.throwsAsync(wait, { code }), interrupt(superuser, requester.pid)]);
    t.is(await stateOf(superuser, id), 'running');
  });
}

test('an impossible timeout ends at once', async (t) => {
  const { requester, superuser } = await setUp(t);
  for (const timeout of ['0', '-1 hour']) {
    const start = requester.query(`call holdfast.start_backup(timeout => '${timeout}')`);
    await t.throwsAsync(start, {
      code: 'HF012',
      message: /timed out waiting .* to be running: it is cancelled now/,
    });
  }
  t.deepEqual(await superuser.query(`select from holdfast.backup_request where state <> 'cancelled'`), []);
});

test('cancel_backup waits for whoever has the row locked no longer than its timeout', async (t) => {
  const { requester, superuser, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  await superuser.query('begin');
  await superuser.query('select from holdfast.backup_request for update');
  await t.throwsAsync(requester.query(`call holdfast.cancel_backup(${id}, timeout => '50 ms')`), {
    code: '55P03',
  });
  t.is(await requester.value('show lock_timeout'), '0');
});

test('a wait for a backup that no worker holds any more is given up after half a minute, here a moment', async (t) => {
  const { requester, superuser, worker } = await setUp(t);
  const definition = await superuser.value<string>(
    `select pg_get_functiondef('holdfast.await_backup'::regproc) as definition`,
  );
  t.true(definition.includes(`interval '30 s'`));
  await superuser.query(definition.replace(`interval '30 s'`, `interval '0.3 s'`));
  const ids = {
    done: await requestIn('running', requester, worker),
    archiving: await requestIn('archiving', requester, worker),
  };
  const lost = await request(requester);
  await (await worker.run(lost)).die();
  await worker.die();
  for (const state of ['done', 'archiving'] as const) {
    const message = `no worker holds backup request ${ids[state]}, which is ${state}`;
    const stop = requester.query(`call holdfast.stop_backup(id => ${ids[state]})`);
    await t.throwsAsync(stop, { code: 'HF013', message });
    t.is(await stateOf(superuser, ids[state]), state, 'a worker that comes back goes on with it');
  }
  await requester.query(`set default_transaction_isolation = 'repeatable read'`);
  const wait = requester.query(`call holdfast.wait_for_backup(${lost}, timeout => '5 s')`);
  await t.throwsAsync(
    wait,
    { code: 'HF013' },
    'a session that is gone is seen to be, at any default isolation',
  );
});

test('a stranger who takes the lock of a caller of start_backup between two polls does not make the caller seem gone', async (t) => {
  const { db, requester, superuser } = await setUp(t);
  const stranger = await asRole(t, db);
  const call = t.throwsAsync(requester.query(`call holdfast.start_backup('waited for')`));
  const of = `from holdfast.backup_request where label = 'waited for'`;
  const { key } = await eventuallyRow<{ key: string }>(superuser, `select caller_key::text as key ${of}`);
  await stranger.query('select pg_advisory_lock($1)', [key]);

  const waits = `select 1 ${of} and holdfast.caller_waits(caller_key, caller_pid, requested_login)`;
  const isHeld = `select holdfast.lock_is_held(holdfast.this_database(), caller_key, caller_pid) ${of}`;
  t.false(await superuser.value(isHeld));
  await eventuallyRow(superuser, waits);
  await superuser.query('begin');
  await superuser.query('select from holdfast.backup_request');
  await superuser.query('select pg_cancel_backend($1)', [requester.pid]);
  await call;
  // The client has its error before the server has rolled back.
  await eventually('whoever else reads the requests does not count', async () => {
    return (await superuser.query(waits)).length === 0;
  });
  await superuser.query('commit');
});

/**
 * Cancelled by start_backup itself; or, where the interruption hit between two of its transactions, with a caller whose
 * lock is gone, so that a worker ends it.
 */
async function leftForNobody(superuser: SqlClient, message: string): Promise<void> {
  const [row] = await superuser.query<{ state: string; waited_for: boolean }>(
    `select state, holdfast.lock_is_held(holdfast.this_database(), caller_key, caller_pid) as waited_for
     from holdfast.backup_request where id = 1`,
  );
  const cancelled = /backup request 1\b.* is cancelled/.test(message) && row?.state === 'cancelled';
  const deserted = /canceling statement due to/.test(message) && row?.waited_for === false;
  if (!cancelled && !deserted) throw new Error(`${message}: ${JSON.stringify(row)}`);
}

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  return {
    db,
    worker: await playWorker(t, db),
    requester: await asRole(t, db, 'requester'),
    superuser: await connect(t, db.url),
  };
}
