// backup_chore: who may ask for what, who may change what, and what becomes of it where chores do not run.
import test from 'ava';
import { liveChores } from '../../src/control/chore-rows.ts';
import { Connection } from '../../src/database/connection.ts';
import { noChores } from '../support/chores.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const insert = `insert into holdfast.backup_chore (kind) values ('verify') returning id`;
const withChores = testWhen(noChores);

test('an operator asks for a chore, a requester and a reader may not, and a reader sees it', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const requester = await asRole(t, db, 'requester');
  const id = await operator.value(insert);
  await t.throwsAsync(requester.query(insert), { code: '42501' });
  const [seen] = await requester.query('select * from holdfast.backup_chore where id = $1', [id]);
  t.like(seen, {
    cluster: 'main',
    requested_by: operator.role,
    requested_login: operator.role,
    automatic: false,
  });
});

test('what a chore is about is checked when it is asked for', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const refused = (columns: string, values: string) =>
    t.throwsAsync(operator.query(`insert into holdfast.backup_chore (${columns}) values (${values})`));
  t.regex((await refused('kind', `'paint'`)).message, /kind_is_known/);
  t.regex(
    (await refused('kind, cluster', `'verify', 'nowhere'`)).message,
    /cluster "nowhere" does not exist/,
  );
  t.regex((await refused('kind, backup', `'verify', '/etc/passwd'`)).message, /backup_is_a_name/);
  t.regex(
    (await refused('kind, backup', `'verify', '20260314T120000Z-1/../..'`)).message,
    /backup_is_a_name/,
  );
  t.regex(
    (await refused('kind, request_id', `'verify', 7`)).message,
    /7 is not a complete backup of cluster "main"/,
  );
  t.regex((await refused('kind, options', `'verify', '[1]'`)).message, /options_are_an_object/);
  t.regex(
    (await refused('kind, options', `'verify', jsonb_build_object('a', repeat('b', 9000))`)).message,
    /options_have_at_most_8_kilobytes/,
  );
  t.regex((await refused('kind, state', `'verify', 'complete'`)).message, /permission denied/);
});

withChores('not even the owner of the table begins a chore in another state', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  const running = admin.query(
    `insert into holdfast.backup_chore (kind, state) values ('verify', 'complete')`,
  );
  await t.throwsAsync(running, { code: 'HF001', message: /begins in state requested/ });
});

withChores('nobody but a worker moves a chore, except that an operator gives it up', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const admin = await connect(t, db.url);
  const id = await operator.value(insert);
  const move = (client: typeof operator, state: string) =>
    client.query('update holdfast.backup_chore set state = $2 where id = $1', [id, state]);
  await t.throwsAsync(move(operator, 'running'), {
    code: 'HF001',
    message: /cannot move from requested to running/,
  });
  const worker = await asRole(t, db, 'worker');
  await t.throwsAsync(move(worker, 'running'), { code: 'HF001' }, 'it holds no lock');
  await t.throwsAsync(admin.query(`update holdfast.backup_chore set result = '{}' where id = $1`, [id]), {
    code: 'HF001',
    message: /cannot be changed: result/,
  });
  await move(operator, 'failed');
  const [given] = await admin.query('select * from holdfast.backup_chore where id = $1', [id]);
  t.like(given, { state: 'failed', error_code: 'given_up' });
  t.truthy(given?.['finished_at']);
  await t.throwsAsync(
    move(operator, 'failed').then(() => move(operator, 'requested')),
    { code: 'HF001' },
  );
  await t.throwsAsync(admin.query('delete from holdfast.backup_chore'), { message: /it is a history/ });
});

withChores('asking for one tells workers and clients', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const listener = await connect(t, db.url);
  await listener.query('listen holdfast_request; listen holdfast_state');
  const id = Number(await operator.value(insert));
  const payload = { chore: id, cluster: 'main', kind: 'verify', state: 'requested' };
  for (const channel of ['holdfast_request', 'holdfast_state']) {
    const heard = await listener.notification((_, on) => on === channel);
    t.deepEqual(JSON.parse(heard.payload), payload);
  }
});

withChores('a thousand chores of a kind may wait, and no more', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const many = (kind: string, count: number) =>
    operator.query(
      `insert into holdfast.backup_chore (kind) select '${kind}' from generate_series(1, ${count})`,
    );
  await many('verify', 1000);
  await t.throwsAsync(many('verify', 1), { code: '53400', message: /1000 chores of kind verify wait/ });
  await t.notThrowsAsync(many('sync', 1));
});

withChores(
  'a thousand chores of a kind hide neither those of another kind nor of another cluster',
  async (t) => {
    const db = await installedDatabase(t);
    const admin = await connect(t, db.url);
    await admin.query(`insert into holdfast.cluster (name) values ('second')`);
    for (const [cluster, kind, count] of [
      ['main', 'verify', 1000],
      ['main', 'sync', 1],
      ['second', 'verify', 1],
    ] as const)
      await admin.query(
        `insert into holdfast.backup_chore (cluster, kind) select $1, $2 from generate_series(1, $3)`,
        [cluster, kind, count],
      );
    const worker = await Connection.open({ url: db.url });
    t.teardown(() => worker.close());
    const live = await liveChores(worker, ['main', 'second']);
    t.deepEqual(
      live.slice(999).map(({ cluster, kind }) => [cluster, kind]),
      [
        ['main', 'verify'],
        ['main', 'sync'],
        ['second', 'verify'],
      ],
    );
  },
);

withChores('prune removes the chores that ended, but the latest of each kind', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  for (const kind of ['sync', 'verify', 'verify'])
    await operator.query(`insert into holdfast.backup_chore (kind) values ('${kind}')`);
  await operator.query(`update holdfast.backup_chore set state = 'failed'`);
  await operator.query(insert);
  await operator.query(`select holdfast.prune(interval '0')`);
  const left = await operator.query('select kind, state from holdfast.backup_chore order by id');
  t.deepEqual(left, [
    { kind: 'sync', state: 'failed' },
    { kind: 'verify', state: 'failed' },
    { kind: 'verify', state: 'requested' },
  ]);
});

test('on a server without a queue a chore fails at once and says why', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const [row] = await operator.query(
    `insert into holdfast.backup_chore (kind) values ('verify') returning state, error_code, error`,
  );
  if (noChores === undefined) t.deepEqual(row, { state: 'requested', error_code: null, error: null });
  else t.like(row, { state: 'failed', error_code: 'chores_unavailable' });
});

withChores('the queue is closed to everybody but workers', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  const may = (role: string, privilege: string) =>
    admin.value(`select has_schema_privilege($1, 'holdfast_boss', $2)`, [`holdfast_${role}`, privilege]);
  for (const role of ['reader', 'requester', 'operator']) t.false(await may(role, 'usage'), role);
  t.true(await may('worker', 'usage'));
  t.false(await may('worker', 'create'));
});
