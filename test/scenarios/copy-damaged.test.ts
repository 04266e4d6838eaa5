// Damaged pages are found, named, and do not stop the backup; half-written ones are no damage.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { copyScene, extracted, noCopies, started } from '../support/copies.ts';
import { holdfast } from '../support/process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

async function sceneWithTable(t: ExecutionContext, checksums: boolean) {
  const scene = await copyScene(t, { initdb: [checksums ? '--data-checksums' : '--auth=trust'] });
  await scene.admin.query('create table kept as select n, md5(n::text) from generate_series(1, 20000) n');
  await scene.admin.query('vacuum (freeze) kept');
  await scene.admin.query('checkpoint');
  const path = await scene.admin.value<string>(`select pg_relation_filepath('kept')`);
  return { ...scene, path, file: join(String(scene.cluster.dataDirectory), path) };
}

/** As a failing disk does: nobody tells the server. */
async function flip(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await handle.write(byte, 0, 1, at);
  await handle.close();
}

async function put(file: string, bytes: Buffer, at: number): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(bytes, 0, bytes.length, at);
  await handle.close();
}

test('damaged pages make a warning that names file and block, and mark the backup', async (t) => {
  const scene = await sceneWithTable(t, true);
  const { client: requester, cluster, copy, db, file, path, repository, startCopier } = scene;
  await flip(file, 3 * 8192 + 5000);
  await flip(file, 7 * 8192 + 100);
  // What is left of the header says that the page is new, or was written since.
  await put(file, Buffer.alloc(512), 11 * 8192);
  await put(file, Buffer.alloc(8192, 'lines of a log\n'), 15 * 8192);
  await startCopier();
  const backup = await copy();
  t.deepEqual(backup.row.warnings, [`the file "${path}" has 4 damaged pages: block 3, 7, 11, 15`]);
  t.true(backup.description.checksums);
  t.deepEqual(
    backup.description.damagedPages,
    [3, 7, 11, 15].map((block) => ({ file: path, block })),
  );
  t.deepEqual(
    await requester.query('select request_id, file, block from holdfast.damaged_page order by block'),
    ['3', '7', '11', '15'].map((block) => ({ request_id: backup.row.id, file: path, block })),
    'whoever sees the request sees them',
  );
  const to = join(await temporaryDirectory(t), 'data');
  const { stderr } = await holdfast(['restore', '--repository', repository, '--to', to, '--dry-run']);
  t.regex(stderr, /: block 3 of "base\/[^;]* block 15 of "[^;]*"; no backup without damaged pages /);
  const client = await started(t, await extracted(t, backup, cluster.version), db.name);
  await t.throwsAsync(client.query('select count(*) from kept'), { message: /invalid page in block/ });
});

test('with on_damaged_page = "fail" a damaged page fails the copy, by file and block, and nothing is listed', async (t) => {
  const { admin, client, file, names, path, requestCopy, startCopier, untilState } = await sceneWithTable(
    t,
    true,
  );
  await flip(file, 7 * 8192 + 100);
  await startCopier({ HOLDFAST_CLUSTER_MAIN_ON_DAMAGED_PAGE: 'fail' });
  const row = await untilState(await requestCopy(), 'failed', { within: 60_000 });
  t.is(row.error_code, 'damaged_pages');
  t.is(row.error, `the file "${path}" has a damaged page, block 7: the warnings name all`);
  t.regex(String(row.hint), /on_damaged_page = "warn"/);
  t.deepEqual(row.warnings, [`the file "${path}" has 1 damaged page: block 7`]);
  t.deepEqual(await names(), []);
  t.is(await admin.value('select count(*)::int from holdfast.damaged_page'), 0);
  const { stdout } = await holdfast(['check'], { url: client.url });
  t.true(stdout.includes(`(${row.id}), so the server has them: ${row.error}; `), stdout);
});

test('a cluster without checksums has nothing to verify', async (t) => {
  const scene = await copyScene(t, { initdb: ['--no-data-checksums'], version: 18 });
  await scene.admin.query('create table kept as select n from generate_series(1, 20000) n');
  await scene.admin.query('checkpoint');
  const path = await scene.admin.value<string>(`select pg_relation_filepath('kept')`);
  await flip(join(String(scene.cluster.dataDirectory), path), 5000);
  await scene.startCopier();
  const { row, description } = await scene.copy();
  t.deepEqual(row.warnings, []);
  t.false(description.checksums);
});
