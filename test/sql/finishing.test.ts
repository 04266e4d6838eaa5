// The client's finish: what it does when the session is there, has no worker, or is gone.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { cancel, finish, request, requestIn, stateOf } from '../support/requests.ts';

const lost = /^backup request \d+ has failed: its backup session is gone$/;

for (const [who, dies] of Object.entries({ 'a living worker': false, 'no worker at all': true })) {
  test(`a finish whose session is gone leaves the row failed, with a WARNING and no label, with ${who}`, async (t) => {
    const { requester, worker } = await setUp(t);
    const id = await request(requester);
    await (await worker.run(id)).die();
    if (dies) await worker.die();

    const [row] = await requester.query(
      `update holdfast.backup_request set state = 'done' where id = ${id}
       returning state, error_code, error, hint, backup_label, done_at, finished_at is not null as over`,
    );
    t.deepEqual(row, {
      state: 'failed',
      error_code: 'session_lost',
      error: 'the backup session was gone when the client finished',
      hint: 'Throw the copy away and start again: it is not a backup.',
      backup_label: null,
      done_at: null,
      over: true,
    });
    t.regex(requester.notices.at(-1)?.message ?? '', lost);
    t.is(requester.notices.at(-1)?.severity, 'WARNING');
    const last =
      'select from_state, to_state, who, detail from holdfast.backup_event order by id desc limit 1';
    const [event] = await requester.query(last);
    t.like(event, { from_state: 'running', to_state: 'failed', who: requester.role });
    t.like(event?.['detail'], { error_code: 'session_lost' });
  });
}

test('a finish whose worker is gone stands, with a WARNING that the outcome is still to come', async (t) => {
  const { requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  await worker.die();
  await finish(requester, id);
  t.is(await stateOf(requester, id), 'done');
  t.is(requester.notices.at(-1)?.message, `no worker holds backup request ${id} at the moment`);
});

test('a finish whose session is there goes without a WARNING, and a second one changes nothing', async (t) => {
  const { requester, worker } = await setUp(t);
  const id = await requestIn('running', requester, worker);
  requester.notices.length = 0;
  await finish(requester, id);
  const doneAt = () =>
    requester.value('select done_at::text from holdfast.backup_request where id = $1', [id]);
  const before = await doneAt();
  t.truthy(before);
  await finish(requester, id);
  t.is(await doneAt(), before);
  t.deepEqual(requester.notices, []);
});

test('a finish in a transaction with an old snapshot is left to the worker to judge', async (t) => {
  const { requester, worker } = await setUp(t);
  const id = await request(requester);
  await (await worker.run(id)).die();
  await requester.query('begin isolation level repeatable read');
  await finish(requester, id);
  await requester.query('commit');
  t.is(await stateOf(requester, id), 'done');
  await t.notThrowsAsync(worker.move(id, 'failed'));
});

test('a finished backup cannot be cancelled, nor a failed or cancelled one finished', async (t) => {
  const { requester, worker } = await setUp(t);
  const refused = { code: 'HF001', message: /cannot move from/ };
  for (const state of ['done', 'archiving', 'complete', 'failed'] as const) {
    await t.throwsAsync(cancel(requester, await requestIn(state, requester, worker)), refused, state);
  }
  for (const state of ['requested', 'starting', 'archiving', 'complete', 'failed', 'cancelled'] as const) {
    await t.throwsAsync(finish(requester, await requestIn(state, requester, worker)), refused, state);
  }
});

test('each move is stamped when it is made, and what is over has an end', async (t) => {
  const { requester, worker } = await setUp(t);
  const id = await requestIn('complete', requester, worker);
  const [row] = await requester.query(
    `select requested_at <= started_at and started_at <= done_at and done_at <= stopped_at
       and stopped_at <= archived_at and archived_at <= finished_at as "in order" from holdfast.backup_request where id = $1`,
    [id],
  );
  t.deepEqual(row, { 'in order': true });

  const careless = await requestIn('complete', requester, worker, { wait_for_archive: false });
  const archived = 'select archived_at from holdfast.backup_request where id = $1';
  t.is(await requester.value(archived, [careless]), null, 'nobody waited for the archive');
});

test('stages follow the states, one at a time', async (t) => {
  const { requester, worker } = await setUp(t);
  const stages = `select stage, state, ended_at is not null as ended from holdfast.backup_stage
    where request_id = $1 order by began_at`;
  const done = (stage: string) => ({ stage, state: 'done', ended: true });
  const running = await requestIn('running', requester, worker);
  t.deepEqual(await requester.query(stages, [running]), [
    done('checkpoint'),
    { stage: 'copy', state: 'running', ended: false },
  ]);
  await worker.move(running, 'failed');
  t.like((await requester.query(stages, [running]))[1], { stage: 'copy', state: 'failed', ended: true });

  const complete = await requestIn('complete', requester, worker);
  const all = await requester.query(stages, [complete]);
  t.deepEqual(all, ['checkpoint', 'copy', 'stop', 'archive'].map(done));
});

async function setUp(t: ExecutionContext) {
  const db = await installedDatabase(t);
  return { db, worker: await playWorker(t, db), requester: await asRole(t, db, 'requester') };
}
