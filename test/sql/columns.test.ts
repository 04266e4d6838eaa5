// Which columns of a request each role may write.
import test from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { insert, insertable, names, update, whatWorks } from '../support/request-columns.ts';
import { request, requestIn, backupStates } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('these lists are all the columns that there are', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const columns = await client.query<{ attname: string }>(
    `select attname from pg_attribute
     where attrelid = 'holdfast.backup_request'::regclass and attnum > 0 and not attisdropped`,
  );
  t.deepEqual(columns.map(({ attname }) => attname).sort(), [...names].sort());
});

test('a requester can insert the requester’s columns, and no other', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  t.deepEqual(await whatWorks(requester, insert), Object.keys(insertable).sort());
});

test('a requester can change the state, and no other column', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  const id = await request(requester);
  t.deepEqual(await whatWorks(requester, (column) => update(column, id)), ['state']);
});

test('an operator can also change keep and annotations, in every state', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const worker = await playWorker(t, db);
  for (const state of backupStates) {
    const id = await requestIn(state, operator, worker);
    const changed = await whatWorks(operator, (column) => update(column, id), ['state']);
    t.deepEqual(changed, ['annotations', 'keep'], state);
  }
});

test('whoever waits for a request can take that back, and not say it later', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  const [row] = await requester.query<{ id: string }>(
    'insert into holdfast.backup_request (caller_key) values (42) returning id',
  );
  const set = (key: string) =>
    requester.query(`update holdfast.backup_request set caller_key = ${key} where id = $1`, [row?.id]);
  await t.throwsAsync(set('43'), { code: 'HF001' });
  await t.notThrowsAsync(set('null'));
  await t.throwsAsync(set('42'), { code: 'HF001' });
});

test('a worker’s login without the worker’s lock can change nothing', async (t) => {
  const db = await installedDatabase(t);
  const id = await request(await asRole(t, db, 'requester'));
  const login = await asRole(t, db, 'worker');
  t.deepEqual(await whatWorks(login, (column) => update(column, id)), []);
});
