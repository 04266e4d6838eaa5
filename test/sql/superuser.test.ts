// What even a superuser cannot do by hand.
import test from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { insert, update, whatWorks, workers, type Column } from '../support/request-columns.ts';
import { requestIn, backupStates } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('a superuser can insert a request in no state but requested, and none of the worker’s columns', async (t) => {
  const superuser = await connect(t, (await installedDatabase(t)).url);
  const worked = await whatWorks(superuser, insert);
  t.deepEqual(
    worked.filter((name) => name in workers),
    [],
  );
  for (const state of backupStates.filter((name) => name !== 'requested')) {
    const forged = superuser.query(`insert into holdfast.backup_request (state) values ('${state}')`);
    await t.throwsAsync(forged, { code: 'HF001', message: /begins in state requested/ });
  }
});

test('a superuser who inserts cannot say who, when or from where', async (t) => {
  const superuser = await connect(t, (await installedDatabase(t)).url);
  const [row] = await superuser.query(
    `insert into holdfast.backup_request (requested_by, requested_login, requested_at, moved_by, control_origin)
     values ('x', 'x', '2000-01-01', 'x', 'x')
     returning requested_by, requested_login, requested_at > now() - interval '1 h' as now, moved_by,
       control_origin = holdfast.control_origin() as here`,
  );
  const me = await superuser.value('select current_user');
  t.deepEqual(row, { requested_by: me, requested_login: me, now: true, moved_by: me, here: true });
});

test('a superuser can change nothing by hand that a client cannot, in any state', async (t) => {
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  const worker = await playWorker(t, db);
  for (const state of backupStates) {
    const id = await requestIn(state, superuser, worker);
    const changed = (column: Column) => update(column, id);
    t.deepEqual(await whatWorks(superuser, changed, ['state', 'id']), ['annotations', 'keep'], state);
  }
});

test('a superuser who plays the worker cannot change what belongs to the requester', async (t) => {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db, { url: db.url });
  const id = await requestIn('running', await asRole(t, db, 'requester'), worker);
  const changed = (column: Column) => update(column, id);
  const worked = await whatWorks(worker.client, changed, ['state']);
  t.deepEqual(
    worked.filter((name) => !(name in workers)),
    [],
  );
});

test('a superuser cannot make a backup complete, whatever else he writes with it', async (t) => {
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  const worker = await playWorker(t, db);
  const everything = Object.entries(workers).map(([name, value]) => `${name} = ${value}`);
  for (const state of backupStates.filter((name) => name !== 'complete')) {
    const id = await requestIn(state, superuser, worker);
    for (const more of ['', ', stopped_at = now(), archived_at = now()', `, ${everything.join(', ')}`]) {
      const forged = `update holdfast.backup_request set state = 'complete'${more} where id = ${id}`;
      const message = `backup request ${id} cannot move from ${state} to complete`;
      await t.throwsAsync(superuser.query(forged), { code: 'HF001', message });
    }
  }
});

test('a superuser cannot delete requests or events, nor empty their tables', async (t) => {
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  await requestIn('complete', superuser, await playWorker(t, db));
  for (const statement of [
    'delete from holdfast.backup_request',
    'truncate holdfast.backup_request cascade',
    'truncate holdfast.cluster cascade',
    'delete from holdfast.backup_event',
    'truncate holdfast.backup_event',
    `update holdfast.backup_event set who = 'somebody'`,
  ]) {
    const error = await t.throwsAsync(superuser.query(statement), {
      code: 'HF001',
      message: /it is a history/,
    });
    t.regex((error as { hint?: string }).hint ?? '', /SELECT holdfast\.prune/);
  }
  t.is(await superuser.value('select count(*)::int from holdfast.backup_event'), 6);
});
