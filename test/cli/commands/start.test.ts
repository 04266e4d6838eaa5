// The pre-script. What a real worker makes of it is in backup.test.ts.
import test from 'ava';
import { eventually } from '../../support/eventually.ts';
import { asRole, installedDatabase } from '../../support/installed-database.ts';
import { playWorker } from '../../support/played-worker.ts';
import { holdfast, startHoldfast } from '../../support/process.ts';
import { request } from '../../support/requests.ts';
import { connect, type SqlClient } from '../../support/sql-client.ts';

interface Row {
  id: string;
  label: string;
  state: string;
  moved_by: string;
}

function requests(client: SqlClient): Promise<Row[]> {
  return client.query('select id, label, state, moved_by from holdfast.backup_request order by id');
}

test('what is asked for is what is requested', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const worker = await playWorker(t, db);
  const args = [
    '--fast',
    '--no-wait-for-archive',
    '--hold-timeout',
    '3h',
    '--keep',
    '--annotations',
    '{"why": "test"}',
  ];
  const started = startHoldfast(t, ['start', "o'clock", ...args], { url: db.url });
  const row = await eventually('the request is there', async () => {
    const rows = await client.query<Row & { annotations: unknown }>(
      `select id, cluster, label, method, fast, wait_for_archive, hold_timeout::text, keep, annotations
       from holdfast.backup_request`,
    );
    return rows[0];
  });
  t.like(row, {
    cluster: 'main',
    label: "o'clock",
    method: 'hold',
    fast: true,
    wait_for_archive: false,
    hold_timeout: '03:00:00',
    keep: true,
  });
  t.deepEqual(row.annotations, { why: 'test' });

  await worker.run(row.id);
  const { status, stdout } = await (await started).exited;
  t.is(status, 0);
  t.is(stdout, `id ${row.id}\nstart_lsn 0/20000028\n`);
});

test('with --json the answer is an object', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const worker = await playWorker(t, db);
  const started = await startHoldfast(t, ['start', '--json'], { url: db.url });
  const id = await eventually('the request is there', async () => (await requests(client))[0]?.id);
  await worker.run(id);
  t.deepEqual(JSON.parse((await started.exited).stdout), { id: Number(id), start_lsn: '0/20000028' });
});

test('a label that is in use is an error that says by whom, and what to do', async (t) => {
  const db = await installedDatabase(t);
  const id = await request(await connect(t, db.url), { label: 'nightly' });
  const { status, stderr } = await holdfast(['start', 'nightly'], { url: db.url });
  t.is(status, 1);
  t.true(
    stderr.includes(
      `holdfast: label "nightly" of cluster "main" is in use by backup request ${id}, which is requested\n`,
    ),
  );
  t.regex(stderr, /hint: finish that request with "holdfast stop", cancel it/);
});

test("the server's warning that nobody serves the cluster goes to standard error", async (t) => {
  const db = await installedDatabase(t);
  const { status, stdout, stderr } = await holdfast(['start', '--timeout', '50ms'], { url: db.url });
  t.deepEqual([status, stdout], [3, '']);
  t.regex(
    stderr,
    /^holdfast: warning: no live worker serves cluster "main"\n {2}detail: No worker has ever been seen there.\n {2}hint: /,
  );
});

test('at its timeout it cancels its request and exits with 3', async (t) => {
  const db = await installedDatabase(t);
  const { status, stderr } = await holdfast(['start', 'late', '--timeout', '50ms'], { url: db.url });
  t.is(status, 3);
  t.regex(stderr, /holdfast: timed out waiting for backup request \d+ to be running/);
  t.like((await requests(await connect(t, db.url)))[0], { label: 'late', state: 'cancelled' });
});

test('who waits long for a spread checkpoint is told so, and how not to', async (t) => {
  const db = await installedDatabase(t);
  const [spread, fast] = await Promise.all(
    [['spread'], ['fast', '--fast']].map((args) =>
      holdfast(['start', ...args, '--timeout', '7s'], { url: db.url }),
    ),
  );
  t.regex(String(spread?.stderr), /^holdfast: waiting for the checkpoint .*--fast/m);
  t.notRegex(String(fast?.stderr), /checkpoint/);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} cancels the request, and exits with 1`, async (t) => {
    const db = await installedDatabase(t);
    const client = await connect(t, db.url);
    const requester = await asRole(t, db, 'requester');
    const started = await startHoldfast(t, ['start', 'interrupted'], { url: requester.url });
    await eventually('the request is there', async () => (await requests(client)).length === 1);
    started.kill(signal);
    const { status, stderr } = await started.exited;
    t.is(status, 1);
    t.regex(stderr, /holdfast: interrupted: backup request \d+ is cancelled\n/);
    t.like((await requests(client))[0], {
      label: 'interrupted',
      state: 'cancelled',
      moved_by: requester.role,
    });
  });
}

test('a connection that is lost leaves the request, and says so', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const started = await startHoldfast(t, ['start', 'lost'], { url: db.url });
  await eventually('the request is there', async () => (await requests(client)).length === 1);
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name = 'holdfast start' and datname = current_database()`,
  );
  const { status, stderr } = await started.exited;
  t.is(status, 1);
  t.regex(
    stderr,
    /holdfast: the control database was lost while the command waited: .*\n {2}hint: look for the request with /,
  );
  t.like((await requests(client))[0], { label: 'lost', state: 'requested' });
});

test('a request that fails or is cancelled exits with 1 and the reason', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const worker = await playWorker(t, db);
  for (const [label, end, message] of [
    [
      'fails',
      (id: string) => worker.move(id, 'failed'),
      /holdfast: backup request \d+ has failed: it failed\n {2}detail: error_code: played\n/,
    ],
    [
      'cancelled',
      (id: string) =>
        client.query(`update holdfast.backup_request set state = 'cancelled' where id = $1`, [id]),
      /holdfast: backup request \d+ was cancelled by role "postgres"\n/,
    ],
  ] as const) {
    const started = await startHoldfast(t, ['start', label], { url: db.url });
    const id = await eventually('the request is there', async () => {
      const found = (await requests(client)).find((row) => row.label === label);
      return found?.id;
    });
    await end(id);
    const { status, stderr } = await started.exited;
    t.is(status, 1);
    t.regex(stderr, message);
  }
});

test('a cluster that does not exist is named, with those that do', async (t) => {
  const db = await installedDatabase(t);
  const { status, stderr } = await holdfast(['start', '--cluster', 'nope'], { url: db.url });
  t.is(status, 1);
  t.is(stderr, 'holdfast: cluster "nope" does not exist\n  hint: Give one of these clusters: main.\n');
});
