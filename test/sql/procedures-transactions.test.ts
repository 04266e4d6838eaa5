// The procedures commit while they wait: where they cannot, they say so before anything is done.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { letWork, playWorker } from '../support/played-worker.ts';
import { request, requestIn, stateOf } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { eventuallyRow } from '../support/eventually.ts';

/** Each as a client calls it, and as PL/pgSQL has to: with a variable for every INOUT parameter. */
const calls = {
  start_backup: [`start_backup('nightly')`, `start_backup('nightly', id => i, start_lsn => l)`],
  stop_backup: ['stop_backup(id => 1)', 'stop_backup(id => i, backup_label => a, tablespace_map => b)'],
  cancel_backup: ['cancel_backup(1)', 'cancel_backup(id => i, state => a)'],
  wait_for_backup: ['wait_for_backup(1)', 'wait_for_backup(id => i, state => a)'],
} as const;
const variables = `declare i bigint := 1; l pg_lsn; a text := 'complete'; b text;`;

for (const [name, [call, nested]] of Object.entries(calls)) {
  test(`${name} in a transaction block is refused, and nothing is done`, async (t) => {
    const { requester, worker } = await setUp(t);
    const id = await requestIn('running', requester, worker);
    const refused = {
      code: '25001',
      message: `${name} cannot run inside a transaction block`,
    };
    const nothingDone = async (where: string) => {
      await requester.query('rollback');
      t.is(await requester.value('select count(*)::int from holdfast.backup_request'), 1, where);
      t.is(await stateOf(requester, id), 'running', where);
    };

    await requester.query('begin');
    const error = await t.throwsAsync(requester.query(`call holdfast.${call}`), refused);
    t.regex((error as { hint?: string }).hint ?? '', /^Use autocommit; or INSERT/);
    await nothingDone('after BEGIN');
    for (const several of [`select 1; call holdfast.${call}`, `call holdfast.${call}; select 1`]) {
      await t.throwsAsync(requester.query(several), refused, several);
      await nothingDone(several);
    }
    await requester.query(
      `create function pg_temp.f() returns void language plpgsql as $$
       ${variables} begin call holdfast.${nested}; end $$`,
    );
    await t.throwsAsync(requester.query('select pg_temp.f()'), refused);
    await nothingDone('in a function');
    const handled = `do $$ ${variables} begin call holdfast.${nested}; exception when no_data_found then null; end $$`;
    await t.throwsAsync(requester.query(handled), refused);
    await nothingDone('under an exception handler');
  });
}

for (const isolation of ['repeatable read', 'serializable']) {
  test(`the procedures work where the default is ${isolation}`, async (t) => {
    const { requester, worker } = await setUp(t);
    letWork(t, worker);
    await requester.query(`set default_transaction_isolation = '${isolation}'`);
    const id = await requester.value<string>(`call holdfast.start_backup('nightly')`);
    await requester.query(`call holdfast.wait_for_backup(${id}, 'running', timeout => '1 min')`);
    const [stopped] = await requester.query(`call holdfast.stop_backup('nightly')`);
    t.truthy(stopped?.['backup_label']);
    t.is(await requester.value('show transaction_isolation'), isolation, 'and leave the default as it is');
    const other = await requester.value<string>('call holdfast.start_backup()');
    await t.notThrowsAsync(requester.query(`call holdfast.cancel_backup(${other}, timeout => '1 s')`));
    t.is(await requester.value('show lock_timeout'), '0');
  });

  test(`a finish whose session is gone raises where the default is ${isolation}`, async (t) => {
    const { requester, worker } = await setUp(t);
    const id = await request(requester);
    await (await worker.run(id)).die();
    await requester.query(`set default_transaction_isolation = '${isolation}'`);
    const stop = requester.query(`call holdfast.stop_backup(id => ${id}, timeout => '5 s')`);
    await t.throwsAsync(stop, { code: 'HF010', message: /the backup session was gone/ });
  });
}

test('a DO block and a procedure of one’s own may call them, where those may commit', async (t) => {
  const { requester, worker } = await setUp(t);
  letWork(t, worker);
  await requester.query(`create temp table copied (label text)`);
  await requester.query(`do $$
    declare
      its_id bigint;
      its_start pg_lsn;
      its_label text;
      its_map text;
    begin
      call holdfast.start_backup('nightly', id => its_id, start_lsn => its_start);
      insert into copied values (its_start::text);
      call holdfast.stop_backup(id => its_id, backup_label => its_label, tablespace_map => its_map);
      insert into copied values (its_label);
    end $$`);
  const copied = await requester.query<{ label: string }>('select label from copied');
  t.is(copied[0]?.label, '0/20000028');
  t.regex(copied[1]?.label ?? '', /^START WAL LOCATION/);
});

// By itself: a transaction of another test holds every snapshot of the server back.
test.serial('a waiting procedure holds no snapshot that vacuum would have to respect', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('archiving', requester, worker);
  const waiting = requester.query(`call holdfast.stop_backup(id => ${id})`);
  const watcher = await connect(t, db.url);

  for (let round = 0; round < 5; round++) {
    const horizon = await watcher.value<string>('select txid_current()::text');
    const now = await watcher.value<string>('select clock_timestamp()::text');
    const moved = await eventuallyRow<{ holds_back: boolean }>(
      watcher,
      `select coalesce(backend_xmin::text::bigint < $3, false) as holds_back
       from pg_stat_activity where pid = $1 and xact_start > $2`,
      [requester.pid, now, horizon],
      { within: 1000 },
    );
    t.false(moved.holds_back, 'what was the newest transaction');
  }
  t.is(await watcher.value('select state from pg_stat_activity where pid = $1', [requester.pid]), 'active');
  await worker.move(id, 'complete');
  await waiting;
  t.pass();
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  return { db, worker: await playWorker(t, db), requester: await asRole(t, db, 'requester') };
}
