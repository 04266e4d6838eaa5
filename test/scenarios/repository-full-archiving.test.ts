// A repository without room for the archiver: it is said, nothing half is left, and nothing is lost.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { noCopies } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer } from '../support/wal.ts';

const test = testWhen(noCopies, noSmallDisk, noArchivingServer);

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
