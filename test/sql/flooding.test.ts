// INSERTs without end, and values without end: what one requester can put into the table is bounded.
import test from 'ava';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

const full = { code: '53400', message: /has 5 backup requests waiting already/ };

test('one statement that inserts without end is refused as a whole, at a thousand by default', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  const flood = (rows: number) =>
    requester.query(
      `insert into holdfast.backup_request (fast) select true from generate_series(1, ${rows})`,
    );

  await t.throwsAsync(flood(1_000_000), {
    code: '53400',
    message: /has 1000 backup requests waiting already/,
  });
  t.is(await requester.value('select count(*)::int from holdfast.backup_request'), 0);
  await t.notThrowsAsync(flood(1000));
  await t.throwsAsync(flood(1), { code: '53400' });
});

test('the limit is each role’s own, for each cluster', async (t) => {
  const db = await limited(t);
  const [one, another] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  for (let n = 0; n < 5; n++) await request(one);
  await t.throwsAsync(request(one), full);

  await t.notThrowsAsync(request(another), 'another role');
  await t.notThrowsAsync(request(one, { cluster: 'second' }), 'another cluster');
});

test('the limit counts what waits, not what has begun or ended', async (t) => {
  const db = await limited(t);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db);
  const ids = [];
  for (let n = 0; n < 5; n++) ids.push(await request(requester));
  await t.throwsAsync(request(requester), full);

  await worker.claim(ids[0] ?? '');
  await t.notThrowsAsync(request(requester));
  await t.throwsAsync(request(requester), full);
  await requester.query(`update holdfast.backup_request set state = 'cancelled' where state = 'requested'`);
  await t.notThrowsAsync(request(requester));
});

test('the hint says who can raise the limit, and only the owner can', async (t) => {
  const db = await limited(t);
  const requester = await asRole(t, db, 'requester', 'operator', 'worker');
  for (let n = 0; n < 5; n++) await request(requester);
  const error = await t.throwsAsync(request(requester), full);
  t.regex((error as { hint?: string }).hint ?? '', /setting\.max_requested/);
  await t.throwsAsync(requester.query('update holdfast.setting set max_requested = 6'), { code: '42501' });
});

test('annotations have at most 64 kB, whoever writes them', async (t) => {
  const db = await installedDatabase(t);
  const operator = await asRole(t, db, 'operator');
  const withNote = (length: number) =>
    operator.value<string>(
      `insert into holdfast.backup_request (annotations) values (to_jsonb(repeat('x', $1::int))) returning id`,
      [length],
    );
  const tooLong = { code: '23514', message: /annotations_have_at_most_64_kilobytes/ };
  const id = await withNote(65_534);
  await t.throwsAsync(withNote(65_535), tooLong);

  const grown =
    'update holdfast.backup_request set annotations = jsonb_build_array(annotations) where id = $1';
  await t.throwsAsync(operator.query(grown, [id]), tooLong);
});

test('annotations as deep as they may be do not keep a worker from moving the request', async (t) => {
  const db = await installedDatabase(t);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db);
  let deepest = 0;
  for (let depth = 30_000; depth >= 1000; depth = Math.floor(depth * 0.8)) {
    const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`;
    const id = await request(requester, { annotations: nested }).catch(() => undefined);
    if (id === undefined) continue;
    deepest = Math.max(deepest, depth);
    await t.notThrowsAsync(worker.run(id), `${depth} levels`);
  }
  t.true(deepest >= 1000, 'some depth was accepted');
});

for (const timeout of ['101 years', '170000000 years', '-1 second', '1 month -40 days']) {
  test(`a hold_timeout of ${timeout} is refused, so that no arithmetic on it can fail`, async (t) => {
    const requester = await asRole(t, await installedDatabase(t), 'requester');
    await t.throwsAsync(request(requester, { hold_timeout: timeout }), {
      code: '23514',
      message: /hold_timeout_is_0_to_100_years/,
    });
  });
}

test('a hold_timeout of nothing, zero and a hundred years is accepted', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  for (const timeout of [null, '0', '100 years', '1 month -1 day']) {
    await t.notThrowsAsync(request(requester, { hold_timeout: timeout }), String(timeout));
  }
});

async function limited(t: Parameters<typeof installedDatabase>[0]) {
  const db = await installedDatabase(t);
  const owner = await connect(t, db.url);
  await owner.query('update holdfast.setting set max_requested = 5');
  await owner.query(`insert into holdfast.cluster (name) values ('second')`);
  return db;
}
