// backup_event tells what happened, and nobody who only has a role of Holdfast's can make it tell otherwise.
import test from 'ava';
import { asRole, installedDatabase, type HoldfastRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { cancel, finish, request, requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('every move leaves one event, with what the worker has to say', async (t) => {
  const db = await installedDatabase(t);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db);
  const id = await requestIn('archiving', requester, worker);
  await worker.move(id, 'failed');

  const events = await requester.query(
    'select from_state, to_state, who, detail from holdfast.backup_event where request_id = $1 order by id',
    [id],
  );
  const mover = await worker.client.value('select current_user');
  const detail = { worker: worker.name };
  t.deepEqual(events, [
    { from_state: null, to_state: 'requested', who: requester.role, detail: null },
    { from_state: 'requested', to_state: 'starting', who: mover, detail },
    { from_state: 'starting', to_state: 'running', who: mover, detail },
    { from_state: 'running', to_state: 'done', who: requester.role, detail },
    { from_state: 'done', to_state: 'archiving', who: mover, detail },
    {
      from_state: 'archiving',
      to_state: 'failed',
      who: mover,
      detail: { ...detail, error_code: 'played', error: 'it failed' },
    },
  ]);
});

test('what is no move, was refused or was rolled back leaves no event', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const id = await request(operator);
  await operator.query(`update holdfast.backup_request set state = state, keep = true where id = ${id}`);
  await t.throwsAsync(finish(operator, id));
  await operator.query('begin');
  await cancel(operator, id);
  await operator.query('rollback');
  t.is(await operator.value('select count(*)::int from holdfast.backup_event'), 1);
});

const everyRole: HoldfastRole[] = ['reader', 'requester', 'operator', 'worker'];
for (const role of everyRole) {
  test(`holdfast_${role} cannot write, change or remove an event`, async (t) => {
    const db = await installedDatabase(t);
    await request(await connect(t, db.url));
    const client = await asRole(t, db, role);
    for (const statement of [
      `insert into holdfast.backup_event (request_id, to_state, who, login) values (1, 'complete', 'x', 'x')`,
      `update holdfast.backup_event set who = 'somebody else'`,
      'delete from holdfast.backup_event',
      'truncate holdfast.backup_event',
      `set holdfast.pruning = 'on'; delete from holdfast.backup_event`,
      `set holdfast.pruning = 'on'; delete from holdfast.backup_request`,
      'select * from holdfast.backup_event for update',
      'copy holdfast.backup_event from stdin',
      'alter table holdfast.backup_event disable trigger protect_events',
    ]) {
      await t.throwsAsync(client.query(statement), { code: '42501' }, statement);
    }
  });
}

test('no trigger function can be hung on a table of somebody’s own, to run it with other rows and its owner’s rights', async (t) => {
  const client = await asRole(t, await installedDatabase(t), ...everyRole);
  await client.query('create temp table forged (like holdfast.backup_request)');
  const functions = await client.query<{ name: string }>(
    `select oid::regproc::text as name from pg_proc
     where pronamespace = 'holdfast'::regnamespace and prorettype = 'trigger'::regtype`,
  );
  t.true(functions.length >= 6);
  for (const { name } of functions) {
    const hang = `create trigger t before insert on forged for each row execute function ${name}()`;
    await t.throwsAsync(client.query(hang), { code: '42501' }, name);
  }
});

test('a request cannot be inserted by COPY, past the row policies', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  await t.throwsAsync(requester.query('copy holdfast.backup_request (label) from stdin'), { code: '0A000' });
  await t.throwsAsync(requester.query('copy holdfast.backup_request from stdin'), {
    message: /permission denied|not supported/,
  });
});

test('switching the row policies off reads nothing more and writes nothing at all', async (t) => {
  const db = await installedDatabase(t);
  await request(await asRole(t, db, 'requester'));
  const requester = await asRole(t, db, 'requester');
  await requester.query('set row_security = off');
  await t.throwsAsync(requester.query(`update holdfast.backup_request set state = 'cancelled'`), {
    code: '42501',
  });
});
