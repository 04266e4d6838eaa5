// The repository gets full while a worker archives ahead of the archiver: no receipt lies, and no segment is lost.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { segmentRange } from '../../src/postgres/wal-segment.ts';
import { eventually } from '../support/eventually.ts';
import { makeRepository } from '../support/repository.ts';
import { scene } from '../support/scene.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import type { SqlClient } from '../support/sql-client.ts';
import { makeArchiverFail } from '../support/stuck-archiver.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, MB, noArchivingServer, startArchivingWorker } from '../support/wal.ts';
import { sameBytes } from '../support/same-bytes.ts';

const test = testWhen(noSmallDisk, noArchivingServer).serial;

test('what has a receipt is archived, what is not stays in pg_wal, and with room again all of it is archived', async (t) => {
  const server = await archivingServer(t, { initdb: ['--wal-segsize=1'] });
  const { cluster, archived, repository } = server;
  const disk = await smallDisk(t, '4m', repository);
  await makeRepository(repository);
  const { admin, workerLogin } = await scene(t, cluster);
  const wal = join(String(cluster.dataDirectory), 'pg_wal');
  await admin.query('select pg_switch_wal()');
  await eventually('the first push', () => existsSync(join(wal, 'pgsql_tmp.holdfast.push', 'target')));

  await makeArchiverFail(cluster, admin);
  const last = await writeNoise(admin);
  const waiting = await eventually('the last one waits', async () => {
    const names = await waitingIn(wal);
    return names.includes(last) ? names : undefined;
  });
  const contents = new Map<string, Buffer>();
  for (const name of waiting) contents.set(name, await readFile(join(wal, name)));
  const isWhole = async (name: string) =>
    zstdDecompressSync(await readFile(archived(name))).equals(contents.get(name) ?? Buffer.alloc(0));

  const worker = await startArchivingWorker(t, server, workerLogin.url);
  await eventually('the worker fails', () =>
    /cannot archive ahead of the archiver.*the repository is full/.test(worker.output()),
  );
  const receipts = await receiptsIn(wal);
  t.true(receipts.length > 0, 'it had come some way');
  for (const name of receipts) t.true(await isWhole(name), name);
  await cluster.configure({ archive_command: server.pushCommand });
  await eventually('the archiver fails, too', async () =>
    /holdfast: the repository is full/.test(await readFile(join(wal, '../../server.log'), 'utf8')),
  );
  await admin.query('checkpoint');
  await admin.query('checkpoint');
  for (const name of await receiptsIn(wal)) t.true(await isWhole(name), name);
  const stillWaiting = await waitingIn(wal);
  t.true(stillWaiting.length > 3);
  for (const name of stillWaiting)
    sameBytes(t, await readFile(join(wal, name)), contents.get(name) ?? Buffer.alloc(0), name);
  for (const name of waiting.filter((it) => !stillWaiting.includes(it))) t.true(await isWhole(name), name);

  await disk.resize('1g');
  await cluster.archiving.recover();
  await eventually('all are archived', async () => !(await waitingIn(wal)).includes(last), {
    within: 60_000,
  });
  for (const name of segmentRange(String(waiting[0]), last, MB)) t.true(await isWhole(name), name);
  await eventually('no receipt of them is left', async () => {
    const left = await readdir(join(wal, 'pgsql_tmp.holdfast.push'));
    return waiting.every((name) => !left.includes(name));
  });
  await eventually('nothing half is left', async () => {
    const left = await readdir(join(repository, 'main', 'wal', '.writing'));
    return left.length === 0;
  });
});

/** About 8 MB of WAL that cannot be compressed; the last segment. */
async function writeNoise(admin: SqlClient): Promise<string> {
  await admin.query(
    `create table noise as select decode(string_agg(md5(random()::text), ''), 'hex') as bytes
     from generate_series(1, 5000) n, generate_series(1, 100) m group by n`,
  );
  return admin.value('select pg_walfile_name(pg_switch_wal())');
}

async function receiptsIn(wal: string): Promise<string[]> {
  const names = await readdir(join(wal, 'pgsql_tmp.holdfast.push'));
  return names.filter((name) => /^[0-9A-F]{24}$/.test(name));
}

/** In order. */
async function waitingIn(wal: string): Promise<string[]> {
  const names = await readdir(join(wal, 'archive_status'));
  return names
    .filter((name) => /^[0-9A-F]{24}\.ready$/.test(name))
    .map((name) => name.slice(0, 24))
    .sort();
}
