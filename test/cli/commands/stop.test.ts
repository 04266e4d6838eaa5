// The post-script and cancel, by states that a played worker can reach; with a real one: backup.test.ts.
import test from 'ava';
import { eventually } from '../../support/eventually.ts';
import { installedDatabase } from '../../support/installed-database.ts';
import { playWorker } from '../../support/played-worker.ts';
import { holdfast, startHoldfast } from '../../support/process.ts';
import { request, requestIn, stateOf } from '../../support/requests.ts';
import { connect } from '../../support/sql-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test("a label finds active backups only: yesterday's is named, and not returned", async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const id = await requestIn('complete', client, await playWorker(t, db), { label: 'nightly' });
  const { status, stdout, stderr } = await holdfast(['stop', 'nightly'], { url: db.url });
  t.deepEqual([status, stdout], [1, '']);
  t.regex(
    stderr,
    new RegExp(
      `no active backup of cluster "main" has the label "nightly"\\n {2}detail: The newest finished backup with that label is ${id}, complete`,
    ),
  );
});

test('at its timeout it exits with 3, and the backup goes on', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const id = await requestIn('archiving', client, await playWorker(t, db));
  const { status, stderr } = await holdfast(['stop', '--id', id, '--timeout', '50ms'], { url: db.url });
  t.is(status, 3);
  t.regex(stderr, new RegExp(`timed out waiting for backup request ${id} to be complete: it is archiving`));
  t.is(await stateOf(client, id), 'archiving');
});

test('interrupted it exits with 1, and the backup goes on', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const id = await requestIn('running', client, await playWorker(t, db));
  const stopping = await startHoldfast(t, ['stop', '--id', id], { url: db.url });
  await eventually('it is done', async () => (await stateOf(client, id)) === 'done');
  stopping.kill('SIGINT');
  const { status, stderr } = await stopping.exited;
  t.is(status, 1);
  t.regex(stderr, new RegExp(`interrupted: backup request ${id} is done`));
  t.is(await stateOf(client, id), 'done');
});

test('interrupted between two polls of the server it says the same', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const id = await requestIn('running', client, await playWorker(t, db));
  const definition = await client.value<string>(
    `select pg_get_functiondef('holdfast.await_backup'::regproc) as definition`,
  );
  const uncaught = definition.replace('exception when query_canceled', 'exception when division_by_zero');
  t.not(uncaught, definition);
  await client.query(uncaught);
  const stopping = await startHoldfast(t, ['stop', '--id', id], { url: db.url });
  await eventually('it is done', async () => (await stateOf(client, id)) === 'done');
  stopping.kill('SIGINT');
  const { status, stderr } = await stopping.exited;
  t.is(status, 1);
  t.regex(
    stderr,
    new RegExp(`interrupted: backup request ${id} is done\\n.*holdfast status ${id}.*stop it again`, 's'),
  );
});

test('a directory that cannot be written is found out before the backup is stopped', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const id = await requestIn('running', client, await playWorker(t, db));
  const to = `${await temporaryDirectory(t)}/mistyped/labels`;
  const { status, stderr } = await holdfast(['stop', '--id', id, '--to', to], { url: db.url });
  t.is(status, 1);
  t.regex(stderr, /^holdfast: the directory ".*mistyped\/labels" cannot be made: ENOENT/);
  t.is(await stateOf(client, id), 'running');
});

test('a backup is cancelled by its id or by its label', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const first = await request(client);
  const second = await request(client, { label: 'second' });
  const byId = await holdfast(['cancel', first], { url: db.url });
  t.deepEqual([byId.status, byId.stdout], [0, `backup ${first} is cancelled\n`]);
  const byLabel = await holdfast(['cancel', '--label', 'second', '--json'], { url: db.url });
  t.deepEqual(JSON.parse(byLabel.stdout), { id: Number(second), state: 'cancelled' });
  t.deepEqual([await stateOf(client, first), await stateOf(client, second)], ['cancelled', 'cancelled']);
});

test('what is finished cannot be cancelled', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const id = await requestIn('done', client, await playWorker(t, db));
  const { status, stderr } = await holdfast(['cancel', id], { url: db.url });
  t.is(status, 1);
  t.regex(
    stderr,
    new RegExp(`^holdfast: backup request ${id} cannot move from done to cancelled\\n {2}detail: `),
  );
});
