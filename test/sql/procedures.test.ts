// The blocking interface: start_backup, stop_backup, cancel_backup and wait_for_backup, as any client calls them.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { letWork, playWorker } from '../support/played-worker.ts';
import { cancel, request, requestIn, stateOf } from '../support/requests.ts';

const label = 'START WAL LOCATION: 0/20000028 (file 000000010000000000000020)\n';

test('start_backup returns the id and start_lsn once it is running, stop_backup the label once it is complete', async (t) => {
  const { requester, worker } = await setUp(t);
  letWork(t, worker);
  const started = await requester.query(`call holdfast.start_backup('nightly')`);
  t.deepEqual(started, [{ id: '1', start_lsn: '0/20000028' }]);
  t.is(await stateOf(requester, '1'), 'running');

  const stopped = await requester.query(`call holdfast.stop_backup(label => 'nightly')`);
  t.deepEqual(stopped, [{ id: '1', backup_label: label, tablespace_map: null }]);
  t.is(await stateOf(requester, '1'), 'complete');
});

test('every parameter can be named, and reaches the request', async (t) => {
  const { requester, worker } = await setUp(t);
  letWork(t, worker);
  const id = await requester.value(
    `call holdfast.start_backup(label => 'x', cluster => 'main', method => 'hold', command => null, fast => true,
       wait_for_archive => false, hold_timeout => '2 h', keep => true, annotations => '{"ticket": 7}', timeout => '1 min')`,
  );
  const [row] = await requester.query(
    `select label, fast, wait_for_archive, hold_timeout::text, keep, annotations
     from holdfast.backup_request where id = $1`,
    [id],
  );
  const annotations = { ticket: 7 };
  t.deepEqual(row, {
    label: 'x',
    fast: true,
    wait_for_archive: false,
    hold_timeout: '02:00:00',
    keep: true,
    annotations,
  });
});

test('with the extended protocol parameters may be bound', async (t) => {
  const { requester, worker } = await setUp(t);
  letWork(t, worker);
  const [started] = await requester.query('call holdfast.start_backup($1, timeout => $2)', [
    'bound',
    '1 min',
  ]);
  const [stopped] = await requester.query('call holdfast.stop_backup(id => $1)', [started?.['id']]);
  t.is(stopped?.['backup_label'], label);
});

test('cancel_backup cancels by id or by label, again without an error, and nothing that is finished', async (t) => {
  const { requester, worker } = await setUp(t);
  const ids = [await request(requester), await request(requester, { label: 'nightly' })];
  t.is(await requester.value(`call holdfast.cancel_backup(${ids[0]})`), ids[0]);
  t.is(await requester.value(`call holdfast.cancel_backup(label => 'nightly')`), ids[1]);
  for (const id of ids) t.is(await stateOf(requester, id), 'cancelled');

  const [again] = await requester.query(`call holdfast.cancel_backup(${ids[0]})`);
  t.deepEqual(again, { id: ids[0], state: 'cancelled' });
  const done = await requestIn('done', requester, worker);
  await t.throwsAsync(requester.query(`call holdfast.cancel_backup(${done})`), { code: 'HF001' });
});

test('wait_for_backup returns once the state is reached or passed', async (t) => {
  const { requester, worker } = await setUp(t);
  const id = await requestIn('archiving', requester, worker);
  for (const state of ['requested', 'running', 'done', 'archiving']) {
    t.is(await requester.value(`call holdfast.wait_for_backup(${id}, '${state}')`), id, state);
  }
  const waiting = requester.query(`call holdfast.wait_for_backup(${id}, timeout => '1 min')`);
  await worker.move(id, 'complete');
  t.deepEqual(await waiting, [{ id, state: 'complete' }]);
});

test('a wait ends with an error when the state cannot come any more', async (t) => {
  const { requester, worker } = await setUp(t);
  const failed = await requestIn('failed', requester, worker);
  const cancelled = await request(requester);
  await cancel(requester, cancelled);
  const wait = (id: string, state = 'running') =>
    requester.query(`call holdfast.wait_for_backup(${id}, '${state}')`);
  await t.throwsAsync(wait(failed), {
    code: 'HF010',
    message: `backup request ${failed} has failed: it failed`,
  });
  const by = `backup request ${cancelled} was cancelled by role "${requester.role}"`;
  await t.throwsAsync(wait(cancelled), { code: 'HF011', message: by });
  await t.throwsAsync(wait('4711'), { code: 'P0002', message: 'backup request 4711 does not exist' });
  await t.throwsAsync(wait(failed, 'over'), { code: '22023', message: 'cannot wait for state "over"' });
  await t.throwsAsync(requester.query(`call holdfast.stop_backup(id => ${failed})`), { code: 'HF010' });
});

test('by label stop_backup finds active backups only, and names the newest that is not', async (t) => {
  const { requester, worker } = await setUp(t);
  const stop = () => requester.query(`call holdfast.stop_backup('nightly', timeout => '0')`);
  const hintOf = async (wanted: string) => {
    const error = await t.throwsAsync(requester.query('call holdfast.stop_backup($1)', [wanted]), {
      code: 'P0002',
    });
    return String((error as { hint?: string }).hint);
  };
  await t.throwsAsync(stop(), { code: 'P0002', message: /no active backup .* has the label "nightly"/ });
  t.regex(await hintOf('nightly'), /^Look for it with SELECT .*: no backup with a label is under way/);

  const id = await requestIn('complete', requester, worker, { label: 'other' });
  t.regex(
    await hintOf(id),
    new RegExp(`^Write the label of backup ${id} with "holdfast label ${id} --to DIR"`),
  );
  t.regex(
    await hintOf('other'),
    new RegExp(`^Give the id of a finished backup \\(id => ${id}, or "holdfast label`),
  );
  const active = await requestIn('running', requester, worker, { label: 'weekly' });
  t.regex(await hintOf('nihgtly'), /^Give the label of a backup that is under way: "weekly"\.$/);
  t.regex(await hintOf(active), new RegExp(`^Name backup request ${active} by .* --id ${active}"`));
  await cancel(requester, active);
  const absent = await t.throwsAsync(requester.query('call holdfast.cancel_backup(4711)'), { code: 'P0002' });
  t.regex(String((absent as { hint?: string }).hint), /holdfast status --all/);

  await requestIn('complete', requester, worker, { label: 'nightly' });
  const newest = await requestIn('failed', requester, worker, { label: 'nightly' });
  const error = await t.throwsAsync(stop(), { code: 'P0002' });
  t.regex(
    (error as { detail?: string }).detail ?? '',
    new RegExp(`^The newest finished backup with that label is ${newest}, failed at`),
  );

  const archiving = await requestIn('archiving', requester, worker, { label: 'nightly' });
  await t.throwsAsync(stop(), { code: 'HF012', message: new RegExp(`backup request ${archiving} `) });
  const today = await requestIn('running', requester, worker, { label: 'nightly' });
  await t.throwsAsync(stop(), { code: 'HF012', message: new RegExp(`backup request ${today} `) });
  t.is(await stateOf(requester, archiving), 'archiving');
});

test('stop_backup and cancel_backup need an id or a label, not both', async (t) => {
  const { requester } = await setUp(t);
  for (const call of [
    'stop_backup()',
    'cancel_backup()',
    `stop_backup('x', id => 1)`,
    `cancel_backup(1, 'x')`,
  ]) {
    await t.throwsAsync(requester.query(`call holdfast.${call}`), { code: '22023' }, call);
  }
});

test('a backup of somebody else’s is neither stopped nor cancelled, and the procedures say so', async (t) => {
  const { db, requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker, { label: 'nightly' });
  const other = await asRole(t, db, 'requester');
  const refused = { code: '42501', message: `backup request ${id} belongs to role "${requester.role}"` };
  for (const call of ['stop_backup', 'cancel_backup']) {
    await t.throwsAsync(other.query(`call holdfast.${call}(id => ${id}, timeout => '1 s')`), refused, call);
    await t.throwsAsync(
      other.query(`call holdfast.${call}(label => 'nightly', timeout => '1 s')`),
      refused,
      call,
    );
  }
  t.is(await stateOf(other, id), 'running');
});

test('stop_backup raises at once when the session is gone, with no worker alive', async (t) => {
  const { requester, worker } = await setUp(t);
  const id = await request(requester, { label: 'nightly' });
  await (await worker.run(id)).die();
  await worker.die();
  await t.throwsAsync(requester.query(`call holdfast.stop_backup('nightly')`), {
    code: 'HF010',
    message: `backup request ${id} has failed: the backup session was gone when the client finished`,
  });
  t.is(await stateOf(requester, id), 'failed');
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  return { db, worker: await playWorker(t, db), requester: await asRole(t, db, 'requester') };
}
