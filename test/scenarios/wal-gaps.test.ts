// What a worker sees in the archive of its repository, as SQL and "holdfast check" say it.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { noOwnCluster } from '../support/cluster.ts';
import { completeBackup, startBackup } from '../support/backups.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { scene } from '../support/scene.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer, type ArchivingServer } from '../support/wal.ts';

const test = testWhen(noOwnCluster, noArchivingServer).serial;

test("another system's archive is not said to be the cluster's", async (t) => {
  const server = await archivingServer(t);
  const { admin, startWorker } = await scene(t, server.cluster);
  await switchWal(admin, server);
  const other = await scene(t);
  const worker = await other.startWorker({ env: { HOLDFAST_REPOSITORY: server.repository } });
  await worker.untilLine(/another system's WAL/);
  t.is(await other.admin.value('select count(*)::int from holdfast.archived_wal'), 0);
  const { stdout } = await holdfast(['check'], { url: other.client.url });
  t.notRegex(stdout, /timeline/);

  await startWorker({ env: { HOLDFAST_REPOSITORY: server.repository } });
  await eventually('its own server sees it', () =>
    admin.value('select count(*) > 0 from holdfast.archived_wal'),
  );
});

test('a backup and the WAL since make a window, a missing segment a hole, and a new backup the next window', async (t) => {
  const { server, admin, client, id } = await backedUp(t);
  const missing = await switchWal(admin, server);
  const last = await switchWal(admin, server);
  const whole = await window(
    admin,
    `latest_lsn = (select end_lsn from holdfast.archived_wal where end_wal = '${last}')`,
  );
  t.like(whole, { cluster: 'main', timeline: 1, up_to_date: true, holes: null });
  const stopped = await admin.value<string>(
    'select stop_lsn::text from holdfast.backup_request where id = $1',
    [id],
  );
  t.is(whole.earliest_lsn, stopped);
  const well = await holdfast(['check'], { url: client.url });
  t.regex(
    well.stdout,
    /^ok {7}cluster main, timeline 1: restorable from 20\S+Z to 20\S+Z, by hand: from copies that others made/m,
  );

  // What has just been archived may be followed by what is missing: the archiver is not through yet.
  const hidden = join(server.repository, 'hidden');
  await copyFile(server.archived(missing), hidden);
  const longAgo = new Date(Date.now() - 3_600_000);
  await utimes(server.archived(last), longAgo, longAgo);
  await rm(server.archived(missing));
  const holed = await window(admin, 'holes is not null');
  t.like(holed, { holes: [missing], up_to_date: false });
  const { status, stdout } = await holdfast(['check'], { url: client.url });
  t.is(status, 2);
  t.true(stdout.includes(`warning  cluster main, timeline 1: WAL is missing: ${missing}`), stdout);
  t.true(
    stdout.includes('critical cluster main, timeline 1: nothing after the last hole can be restored'),
    stdout,
  );

  const next = await startBackup(client);
  await completeBackup(client, next.id);
  const after = await switchWal(admin, server);
  t.like(await window(admin, `up_to_date and latest_lsn > '0/0'`), { holes: [missing] });
  t.true(existsSync(server.archived(after)));

  await copyFile(hidden, server.archived(missing));
  t.like(await window(admin, 'holes is null'), { up_to_date: true, earliest_lsn: stopped });
  t.is(await admin.value('select count(*)::int from holdfast.archived_wal'), 1);
});

test('a backup that cannot be read is said, and hides nothing of the archive', async (t) => {
  const { server, admin, worker } = await backedUp(t);
  const meta = join(server.repository, 'main', 'backups', '20260101T000000Z-1.meta');
  await mkdir(join(meta, 'backup.json'), { recursive: true });
  await mkdir(meta.replace(/\.meta$/, ''));
  await worker.untilLine(/archive of a cluster holds.*20260101T000000Z-1\.meta.backup\.json/);
  const last = await switchWal(admin, server);
  t.like(
    await window(admin, `latest_lsn = (select end_lsn from holdfast.archived_wal where end_wal = '${last}')`),
    {
      up_to_date: true,
    },
  );
});

test('what does not change is not written again', async (t) => {
  const { server, admin, startWorker } = await backedUp(t);
  const last = await switchWal(admin, server);
  await eventually('it is seen', () =>
    admin.value('select exists (select from holdfast.archived_wal where end_wal = $1)', [last]),
  );
  const seen = () => admin.value<string>('select xmin::text from holdfast.archived_wal');
  const before = await seen();
  await startWorker();
  await eventually('the second worker has been there as well', () =>
    admin.value(`select count(*) = 2 from holdfast.worker_status where alive`),
  );
  t.is(await seen(), before);
});

/** A server with small segments, its archive, a worker that looks at it, and a backup. */
async function backedUp(t: ExecutionContext) {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
  const stage = await scene(t, server.cluster);
  const startWorker = () => stage.startWorker({ env: { HOLDFAST_REPOSITORY: server.repository } });
  const worker = await startWorker();
  const { id } = await startBackup(stage.client);
  await completeBackup(stage.client, id);
  return { ...stage, server, startWorker, worker, id };
}

interface Window {
  cluster: string;
  timeline: number;
  earliest_lsn: string | null;
  latest_lsn: string | null;
  up_to_date: boolean;
  holes: string[] | null;
}

/** Resolves with the segment, once it is in the archive. */
async function switchWal(client: SqlClient, server: ArchivingServer): Promise<string> {
  await client.query(`select pg_create_restore_point('so that there is something')`);
  const name = await client.value<string>('select pg_walfile_name(pg_switch_wal())');
  await eventually(`${name} is archived`, () => existsSync(server.archived(name)));
  return name;
}

function window(client: SqlClient, condition: string): Promise<Window> {
  const query = `select cluster, timeline, earliest_lsn::text, latest_lsn::text, up_to_date, holes
    from holdfast.restore_window where ${condition}`;
  return eventually(condition, async () => (await client.query<Window & object>(query))[0], {
    within: 60_000,
  });
}
