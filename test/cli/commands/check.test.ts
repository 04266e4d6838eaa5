// What is judged how: test/control/health.test.ts. Here: what a monitoring system gets to see.
import test from 'ava';
import { freshDatabase } from '../../support/cluster.ts';
import { asRole, installedDatabase } from '../../support/installed-database.ts';
import { moveTo, playWorker } from '../../support/played-worker.ts';
import { holdfast } from '../../support/process.ts';
import { requestIn } from '../../support/requests.ts';
import { connect } from '../../support/sql-client.ts';

test('0 and OK, when a worker is alive, a backup recent and the archiver well', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  await requestIn('complete', client, await playWorker(t, db, { name: 'db7' }));
  await client.query(
    `update holdfast.cluster set checked_at = now(), archive_mode = 'on', archiver_failing = false`,
  );

  const { status, stdout } = await holdfast(['check'], { url: (await asRole(t, db, 'reader')).url });
  t.is(status, 0, stdout);
  const [first, ...details] = stdout.trimEnd().split('\n');
  t.regex(
    first ?? '',
    /^HOLDFAST OK - clusters: 1, workers: 1, backups under way: 0 \| 'main_backup_age'=\d+s;;93600;0 workers=1;;;0 under_way=0;;;0$/,
  );
  t.deepEqual(details.length, 2);
  t.is(details[0], 'ok       cluster main: served by db7');
});

test('1 and WARNING, when nobody has looked at the archiver', async (t) => {
  const db = await installedDatabase(t);
  await requestIn('complete', await connect(t, db.url), await playWorker(t, db));
  const { status, stdout } = await holdfast(['check'], { url: db.url });
  t.is(status, 1);
  t.regex(stdout, /^HOLDFAST WARNING - cluster main: its archiver could not be looked at at all \| /);
});

test('1 and WARNING, while the WAL of the newest backup that was waited for is not in the archive', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  const played = await playWorker(t, db);
  const reader = await asRole(t, db, 'reader');
  const unseen = async () => {
    const { status, stdout } = await holdfast(['check'], { url: reader.url });
    return [status, /newest complete backup \((\d+)\).* is archived, but/.exec(stdout)?.[1]];
  };
  const id = await requestIn('archiving', client, played);
  await played.client.query(moveTo('complete').replace('where', ', archive_seen = false where'), [id]);
  await requestIn('complete', client, played, { wait_for_archive: false });
  await client.query(`update holdfast.cluster set checked_at = now(), archive_mode = 'on'`);
  t.deepEqual(await unseen(), [1, id]);
  const wal = `'000000010000000000000001', '0000000100000000000000$', '0/1000000', '0/21000000', now(), now()`;
  const archived = (last: string) =>
    client.query(
      `insert into holdfast.archived_wal
       (cluster, timeline, start_wal, end_wal, start_lsn, end_lsn, last_archived_at, first_archived_at)
     values ('main', 1, ${wal.replace('$', last)})`,
    );
  await archived('1F');
  t.deepEqual(await unseen(), [1, id]);
  await client.query('delete from holdfast.archived_wal');
  await archived('20');
  t.deepEqual((await unseen())[1], undefined, 'it has come since');
  await client.query('delete from holdfast.archived_wal');
  await requestIn('complete', client, played);
  t.deepEqual(await unseen(), [0, undefined]);
});

test('2 and CRITICAL, when the last backup is older than --max-age', async (t) => {
  const db = await installedDatabase(t);
  await requestIn('complete', await connect(t, db.url), await playWorker(t, db));
  const { status, stdout } = await holdfast(['check', '--max-age', '1ms'], { url: db.url });
  t.is(status, 2);
  t.regex(
    stdout,
    /^HOLDFAST CRITICAL - cluster main: last complete backup .* ago \(\d+\), more than 0 s \(and 1 more\) \| /,
  );
});

test('with --json everything that was seen is there', async (t) => {
  const db = await installedDatabase(t);
  const { status, stdout } = await holdfast(['check', '--json'], { url: db.url });
  t.is(status, 2);
  const data = JSON.parse(stdout) as { status: string; findings: object[]; clusters: object[] };
  t.is(data.status, 'critical');
  t.deepEqual(data.findings[0], {
    severity: 'critical',
    object: 'cluster main',
    message: 'no live worker: start one with "holdfast worker"',
  });
  t.like(data.clusters[0], { name: 'main', complete_id: null });
});

test('--cluster looks at these clusters only, used or not', async (t) => {
  const db = await installedDatabase(t);
  const client = await connect(t, db.url);
  await client.query(`insert into holdfast.cluster (name) values ('spare')`);
  await requestIn('complete', client, await playWorker(t, db));
  await client.query('update holdfast.cluster set checked_at = now()');
  t.is((await holdfast(['check', '--cluster', 'main'], { url: db.url })).status, 0);
  t.is((await holdfast(['check', '--cluster', 'main', 'spare'], { url: db.url })).status, 2);
  const unknown = await holdfast(['check', '--cluster', 'nope'], { url: db.url });
  t.deepEqual(
    [unknown.status, unknown.stdout],
    [3, 'HOLDFAST UNKNOWN - cluster "nope" does not exist\nhint: give one of these: main, spare\n'],
  );
});

test('3 and UNKNOWN, when it cannot know: no database, no installation, a wrong option', async (t) => {
  const nowhere = await holdfast(['check'], { url: 'postgres://u:hunter2@127.0.0.1:1/nowhere' });
  t.is(nowhere.status, 3);
  t.regex(nowhere.stdout, /^HOLDFAST UNKNOWN - cannot connect to PostgreSQL at 127.0.0.1:1/);
  t.notRegex(nowhere.stdout + nowhere.stderr, /hunter2/);

  const { url } = await freshDatabase(t);
  const missing = await holdfast(['check'], { url });
  t.is(missing.status, 3);
  t.regex(missing.stdout, /^HOLDFAST UNKNOWN - Holdfast is not installed in schema "holdfast"/);

  const wrong = await holdfast(['check', '--max-age', 'old', '--json'], { url });
  t.is(wrong.status, 3);
  t.like(JSON.parse(wrong.stdout), { status: 'unknown' });
});
