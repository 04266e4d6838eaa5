// A repository without room, for a copy and for the archiver: it is said, nothing half is left, and nothing is lost.
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyScene, noCopies } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer } from '../support/wal.ts';

const test = testWhen(noCopies, noSmallDisk, noArchivingServer).serial;

test('wherever in a copy the repository gets full, the request says so and leaves nothing', async (t) => {
  const disk = await smallDisk(t, '1g');
  const { copy, names, repository, requestCopy, startCopier, untilState } = await copyScene(t, {
    repository: disk.directory,
  });
  await startCopier({ HOLDFAST_WAL_RESERVE: '0' });
  const used = async () => {
    const { blocks, bfree, bsize } = await statfs(repository);
    return (blocks - bfree) * bsize;
  };
  const whole = await copy();
  const bytes = await used();
  for (const path of [whole.directory, whole.meta]) await rm(path, { recursive: true });
  const empty = await used();

  // The tar, the manifest, the WAL and the description are written one after the other.
  for (const missing of [0.9, 0.6, 0.3, 0.1, 0.05, 0.03, 0.01, 0.003, 0.001]) await requireRefusedAt(missing);
  await disk.resize('1g');
  await copy();
  t.is((await names()).length, 2);

  async function requireRefusedAt(missing: number) {
    await disk.resize(String(Math.floor(empty + (bytes - empty) * (1 - missing))));
    const row = await untilState(await requestCopy(), 'failed', { within: 60_000 });
    // What is clearly too little is seen before the backup begins.
    const isSeen = missing > 0.2 && row.start_lsn === null;
    t.is(row.error_code, isSeen ? 'no_room_for_copy' : 'repository_full', `${missing}: ${row.error}`);
    t.regex(String(row.error), isSeen ? /^the repository has / : /^the repository is full: /);
    t.regex(String(row.hint), /make room/);
    await eventually('nothing is left', async () => (await names()).length === 0);
  }
});

test('a repository that is full when a segment is pushed loses none: PostgreSQL keeps it, and archives it later', async (t) => {
  const server = await archivingServer(t);
  const { cluster, repository } = server;
  const disk = await smallDisk(t, '5m', repository);
  await makeRepository(repository);
  const stage = await scene(t, cluster);
  const { admin, client } = stage;
  await admin.query('create table noise (bytes bytea)');
  const segment = await admin.value<string>('select pg_walfile_name(pg_current_wal_lsn())');
  await admin.query(
    `insert into noise select decode(string_agg(md5(random()::text), ''), 'hex')
     from generate_series(1, 5000) n, generate_series(1, 100) m group by n`,
  );
  await admin.query('select pg_switch_wal()');
  await eventually('the archiver fails', () => admin.value('select failed_count > 0 from pg_stat_archiver'));

  const log = await readFile(join(dirname(String(cluster.dataDirectory)), 'server.log'), 'utf8');
  t.regex(log, /holdfast: the repository is full: ".*" cannot be written\n {2}hint: make room/);
  const wal = join(String(cluster.dataDirectory), 'pg_wal');
  const waiting = (await readdir(join(wal, 'archive_status'))).filter((name) => name.endsWith('.ready'));
  t.true(waiting.length > 0);
  for (const name of waiting) {
    t.true(existsSync(join(wal, name.replace('.ready', ''))), name);
    t.false(existsSync(server.archived(name.replace('.ready', ''))), name);
  }
  t.deepEqual(await readdir(join(repository, 'main', 'wal', '.writing')), []);

  await disk.resize('1g');
  await cluster.archiving.recover();
  const last =
    waiting
      .map((name) => name.replace('.ready', ''))
      .sort()
      .at(-1) ?? segment;
  await eventually('all of it is archived', () => existsSync(server.archived(last)));
  await stage.startWorker({ env: { HOLDFAST_REPOSITORY: repository, HOLDFAST_WAL_RESERVE: '0' } });
  const id = await request(client, { method: 'copy', fast: true });
  await stage.untilState(id, 'complete', { within: 60_000 });
  const verified = await holdfast(['verify', id, '--repository', repository, '--no-record']);
  t.is(verified.status, 0, verified.stdout);
});
