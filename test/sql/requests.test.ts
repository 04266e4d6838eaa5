// What an INSERT into backup_request checks, and what it says when nobody is there to serve it.
import test from 'ava';
import { Connection, type Notice } from '../../src/database/connection.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { cancel, finish, request, requestIn, stateOf } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('the defaults are cluster main, method hold, a spread checkpoint, and waiting for the archive', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  const [row] = await requester.query(
    `insert into holdfast.backup_request default values
     returning cluster, method, command, fast, wait_for_archive, hold_timeout, keep, annotations, state, warnings`,
  );
  t.deepEqual(row, {
    cluster: 'main',
    method: 'hold',
    command: null,
    fast: false,
    wait_for_archive: true,
    hold_timeout: null,
    keep: false,
    annotations: null,
    state: 'requested',
    warnings: [],
  });
});

test('an unknown cluster is refused, and the known ones are named', async (t) => {
  const db = await installedDatabase(t);
  const worker = await playWorker(t, db);
  await worker.client.query(`insert into holdfast.cluster (name) values ('billing'), ('crm.eu_1')`);
  const requester = await asRole(t, db, 'requester');
  for (const cluster of ['bilingual', 'MAIN', '', 'main; drop']) {
    const error = await t.throwsAsync(request(requester, { cluster }), {
      code: '23503',
      message: `cluster "${cluster}" does not exist`,
    });
    t.is((error as { hint?: string }).hint, 'Give one of these clusters: billing, crm.eu_1, main.');
  }
  await t.notThrowsAsync(request(requester, { cluster: 'crm.eu_1' }));
});

test('a cluster’s name is lower case, and at most 63 bytes', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const register = (name: string) => client.query('insert into holdfast.cluster (name) values ($1)', [name]);
  for (const name of ['Main', '', '.hidden', 'a b', '../up', 'x'.repeat(64), 'a\n', 'é']) {
    await t.throwsAsync(register(name), { code: '23514' }, name);
  }
  for (const name of ['0', 'a.b-c_d', 'x'.repeat(63)]) await t.notThrowsAsync(register(name), name);
});

test('a method is one of three, and a command is a name that goes with its method', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  for (const values of [
    { method: 'shell' },
    { method: 'command' },
    { method: 'hold', command: 'tar' },
    { method: 'command', command: '/bin/sh' },
    { method: 'command', command: 'tar; reboot' },
    { method: 'command', command: '../tar' },
    { method: 'command', command: '' },
    { method: 'command', command: 'tar\n' },
    { method: 'command', command: '-rf' },
  ]) {
    await t.throwsAsync(request(requester, values), { code: '23514' }, JSON.stringify(values));
  }
  for (const [values, constraint, hint] of [
    [{ method: 'cpoy' }, 'method_is_known', /^Give 'hold' where you copy the files, or 'copy'/],
    [{ rate_limit: 1_000_000 }, 'rate_limit_goes_with_copy', /^Give method 'copy' /],
    [{ compress_level: 3 }, 'compress_level_goes_with_copy', /^Give method 'copy' /],
  ] as const) {
    const error = await t.throwsAsync<Error & { hint: string; constraint: string }>(
      request(requester, values),
      { code: '23514' },
    );
    t.is(error.constraint, constraint);
    t.regex(error.hint, hint);
  }
  await t.notThrowsAsync(request(requester, { method: 'command', command: 'zfs-snapshot' }));
  await t.notThrowsAsync(request(requester, { method: 'copy' }));
});

for (const values of [{ method: 'copy' }, { method: 'command', command: 'tar' }]) {
  test(`a client does not finish a backup whose method is ${values.method}, but may cancel it`, async (t) => {
    const db = await installedDatabase(t);
    const requester = await asRole(t, db, 'requester');
    const worker = await playWorker(t, db);
    const id = await requestIn('running', requester, worker, values);
    const message = `backup request ${id} finishes by itself: its method is ${values.method}`;
    await t.throwsAsync(finish(requester, id), { code: 'HF001', message });
    await worker.move(id, 'done');
    t.is(await stateOf(requester, id), 'done');

    const other = await requestIn('running', requester, worker, values);
    await t.notThrowsAsync(cancel(requester, other));
  });
}

test('an INSERT with nobody to serve the cluster succeeds with a WARNING that tells who was last seen, and when', async (t) => {
  const db = await installedDatabase(t);
  const heard: Notice[] = [];
  const client = await Connection.open({ url: db.url, onNotice: (notice) => heard.push(notice) });
  t.teardown(() => client.close());
  const insert = async () => {
    heard.length = 0;
    await client.query('insert into holdfast.backup_request default values');
    return heard;
  };

  const [never] = await insert();
  t.is(never?.severity, 'WARNING');
  t.is(never?.message, 'no live worker serves cluster "main"');
  t.is(never?.detail, 'No worker has ever been seen there.');

  const elsewhere = await playWorker(t, db, { clusters: ['billing'] });
  t.is(
    (await insert())[0]?.detail,
    'No worker has ever been seen there.',
    'a worker of another cluster does not count',
  );

  const worker = await playWorker(t, db, { name: 'db7' });
  t.deepEqual(await insert(), [], 'no warning while one is alive');

  await worker.client.query(`update holdfast.worker set draining = true where name = 'db7'`);
  t.is((await insert()).length, 1, 'one that is draining takes nothing new');

  await worker.client.query(`update holdfast.worker set draining = false where name = 'db7'`);
  await worker.die();
  const [gone] = await insert();
  t.regex(gone?.detail ?? '', /^The last worker, "db7", was seen at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
  t.regex(gone?.hint ?? '', /holdfast worker/);
  await elsewhere.die();
});

test('a request that is rolled back was never there', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  await requester.query('begin');
  await request(requester, { label: 'nightly' });
  await requester.query('rollback');
  t.is(await requester.value('select count(*)::int from holdfast.backup_request'), 0);
  t.is(await requester.value('select count(*)::int from holdfast.backup_event'), 0);
  await t.notThrowsAsync(request(requester, { label: 'nightly' }));
});
