import test, { type ExecutionContext } from 'ava';
import { runProcess } from '../../../dev/harness/children.ts';
import { asRole, installedDatabase } from '../../support/installed-database.ts';
import { playWorker } from '../../support/played-worker.ts';
import { holdfast, startHoldfast } from '../../support/process.ts';
import { cancel, request, requestIn } from '../../support/requests.ts';
import { connect } from '../../support/sql-client.ts';
import { program } from '../../support/programs.ts';

async function setup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const reader = await asRole(t, db, 'reader');
  return { db, client, url: reader.url, worker: () => playWorker(t, db, { name: 'db7' }) };
}

/** The words of the line that begins with this one. */
function cells(stdout: string, first: string): string[] {
  const line = stdout.split('\n').find((candidate) => candidate.trim().split(/\s{2,}/)[0] === first);
  return line?.trim().split(/\s{2,}/) ?? [];
}

test('with nothing there it says so, to a mere reader', async (t) => {
  const { url } = await setup(t);
  const { status, stdout, stderr } = await holdfast(['status'], { url });
  t.is(status, 0, stderr);
  t.regex(stdout, /^Backups under way\n {2}none\n\nClusters\n/);
  t.regex(stdout, /Workers\n {2}none has ever been seen/);
});

test('what is under way is a line each, with what it waits for; what is over comes below, newest first', async (t) => {
  const { client, url, worker } = await setup(t);
  const played = await worker();
  const complete = await requestIn('complete', client, played, { label: 'yesterday' });
  const failed = await requestIn('failed', client, played, { label: 'unlucky' });
  const running = await requestIn('running', client, played, { label: 'nightly' });
  const waiting = await request(client, { label: 'next' });

  const { stdout } = await holdfast(['status'], { url });
  t.deepEqual(cells(stdout, running).slice(0, 5), [running, 'main', 'nightly', 'running', 'alive']);
  t.true(cells(stdout, running).includes('the client to finish'));
  t.deepEqual(cells(stdout, waiting).slice(0, 5), [waiting, 'main', 'next', 'requested', '-']);
  t.deepEqual(cells(stdout, complete).slice(0, 4), [complete, 'main', 'yesterday', 'complete']);
  t.is(cells(stdout, failed).at(-1), 'it failed');
  t.true(stdout.indexOf('unlucky') < stdout.indexOf('yesterday'));
  t.is(cells(stdout, 'main')[1], 'db7');
  t.deepEqual(cells(stdout, 'db7').slice(0, 3), ['db7', 'alive', 'main']);
  t.false(stdout.includes('\u001b'));
});

test('a session that is gone is seen at once', async (t) => {
  const { client, url, worker } = await setup(t);
  const id = await request(client);
  const session = await (await worker()).run(id);
  await session.die();
  t.is(cells((await holdfast(['status'], { url })).stdout, id)[4], 'gone');
});

test('with --json all of it is one object, named as in SQL', async (t) => {
  const { client, url, worker } = await setup(t);
  const played = await worker();
  const failed = await requestIn('failed', client, played);
  const running = await requestIn('running', client, played);
  const data = JSON.parse((await holdfast(['status', '--json'], { url })).stdout) as Record<
    string,
    Record<string, unknown>[]
  >;
  t.deepEqual(Object.keys(data), [
    'problems',
    'requests',
    'workers',
    'clusters',
    'schedules',
    'chores',
    'drills',
    'wal_backlogs',
    'chains',
    'finished',
  ]);
  t.like(data['requests']?.[0], {
    id: Number(running),
    state: 'running',
    session: 'alive',
    start_lsn: '0/20000028',
  });
  t.like(data['finished']?.[0], { id: Number(failed), state: 'failed', error_code: 'played' });
  t.like(data['workers']?.[0], { name: 'db7', alive: true, clusters: ['main'] });
  t.like(data['clusters']?.[0], { name: 'main', workers: ['db7'], used: true });
});

test('one backup is told from its request to its end', async (t) => {
  const { client, url, worker } = await setup(t);
  const id = await requestIn('complete', client, await worker(), {
    label: 'nightly',
    annotations: '{"why": "test"}',
  });
  const { stdout } = await holdfast(['status', id], { url });
  t.regex(stdout, new RegExp(`^backup ${id} "nightly" of cluster main: complete\n`));
  for (const part of [
    '{"why":"test"}',
    'db7',
    '0/20000028 to 0/20000138 on timeline 1',
    'system identifier 7000000000000000001',
  ]) {
    t.true(stdout.includes(part), part);
  }
  for (const stage of ['checkpoint', 'copy', 'stop', 'archive']) t.is(cells(stdout, stage)[1], 'done');
  t.regex(stdout, /archiving {2}complete/);
  t.regex(stdout, /backup_label\n {4}START WAL LOCATION: 0\/20000028 /);

  const data = JSON.parse((await holdfast(['status', id, '--json'], { url })).stdout) as Record<
    string,
    unknown[]
  >;
  t.like(data, {
    id: Number(id),
    state: 'complete',
    annotations: { why: 'test' },
    system_identifier: '7000000000000000001',
  });
  t.deepEqual([data['stages']?.length, data['events']?.length], [4, 6]);
});

test('a backup that does not exist is an error', async (t) => {
  const { url } = await setup(t);
  const { status, stderr } = await holdfast(['status', '4711'], { url });
  t.deepEqual(
    [status, stderr],
    [1, 'holdfast: backup request 4711 does not exist\n  hint: list them with "holdfast status --all"\n'],
  );
});

test('--all shows every finished one, page after page, the rest but the newest ten', async (t) => {
  const { client, url } = await setup(t);
  const count = 1100;
  await client.query(`update holdfast.setting set max_requested = 2000`);
  await client.query(
    `insert into holdfast.backup_request (label) select 'b' || n from generate_series(1, ${count}) n`,
  );
  await client.query(`update holdfast.backup_request set state = 'cancelled'`);

  const all = await holdfast(['status', '--all', '--json'], { url });
  const { finished } = JSON.parse(all.stdout) as { finished: { id: number }[] };
  t.deepEqual(
    finished.map(({ id }) => id),
    Array.from({ length: count }, (_, at) => count - at),
  );
  const text = await holdfast(['status', '--all'], { url });
  t.is(text.stdout.match(/ cancelled /g)?.length, count);
  const some = await holdfast(['status'], { url });
  t.is(some.stdout.match(/ cancelled /g)?.length, 10);
});

test('a label cannot reach the terminal', async (t) => {
  const { client, url } = await setup(t);
  await request(client, { label: 'right\u202eleft' });
  t.true((await holdfast(['status'], { url })).stdout.includes('right\\u202eleft'));
});

test('--watch into a pipe prints again only when something has happened', async (t) => {
  const { client, url } = await setup(t);
  const watching = await startHoldfast(t, ['status', '--watch', '0.05', '--json'], { url });
  await watching.untilLine(/"requests":\[\]/);
  const id = await request(client, { label: 'watched' });
  await watching.untilLine(/"label":"watched","method":"hold","state":"requested"/);
  await cancel(client, id);
  await watching.untilLine(/"requests":\[\].*"label":"watched","method":"hold","state":"cancelled"/);
  watching.kill('SIGINT');
  const { status, stdout } = await watching.exited;
  t.is(status, 0);
  t.is(stdout.trimEnd().split('\n').length, 3);
});

test('--watch outlives its connection', async (t) => {
  const { client, url } = await setup(t);
  const watching = await startHoldfast(t, ['status', '--watch', '50ms'], { url });
  await watching.untilLine(/^Workers/);
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast status' and datname = current_database()`,
  );
  await request(client, { label: 'afterwards' });
  await watching.untilLine(/afterwards/);
  watching.kill('SIGTERM');
  t.is((await watching.exited).status, 0);
});

test('--watch of a backup that does not exist ends at once', async (t) => {
  const { url } = await setup(t);
  t.is((await holdfast(['status', '4711', '--watch'], { url })).status, 1);
});

test('a reader that goes away is no failure', async (t) => {
  const { client, url } = await setup(t);
  await client.query(
    `insert into holdfast.backup_request (label) select 'b' || n from generate_series(1, 900) n`,
  );
  const pipeline = '("$0" "$1" status --json; echo "status $?" >&2) | head -n 1';
  const env = { ...process.env, DATABASE_URL: url };
  const { stdout, stderr } = await runProcess('sh', ['-c', pipeline, process.execPath, program], { env });
  t.deepEqual([stdout, stderr], ['{\n', 'status 0\n']);
});
