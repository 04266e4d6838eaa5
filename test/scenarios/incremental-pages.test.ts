// The blocks that an incremental copy reads are verified as those of a full copy are.
import { open, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { usual } from '../../dev/embedded/binaries.ts';
import { formatRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { chainScene, noIncrements } from '../support/chains.ts';
import { run } from '../support/copies.ts';
import { holdfast } from '../support/process.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements).serial;

/** From 18 on, initdb enables them. */
const withoutChecksums = Number(process.env['TEST_PG_VERSION'] ?? usual) >= 18 ? ['--no-data-checksums'] : [];

async function sceneWithTable(t: ExecutionContext) {
  const scene = await chainScene(t, { initdb: ['--data-checksums'] });
  const { admin } = scene;
  await admin.query(
    `create table kept as select n, repeat('x', 1000) as filler from generate_series(1, 1000) n`,
  );
  await admin.query('vacuum (freeze) kept');
  const path = await admin.value<string>(`select pg_relation_filepath('kept')`);
  return { ...scene, path, file: join(String(scene.cluster.dataDirectory), path) };
}

/** As a failing disk does: nobody tells the server. */
async function flip(file: string, block: number): Promise<void> {
  const handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  const at = block * 8192 + 5000;
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await handle.write(byte, 0, 1, at);
  await handle.close();
}

test('of the blocks that have changed a damaged one is named, and of the others none is read', async (t) => {
  const { admin, copy, file, path } = await sceneWithTable(t);
  const full = await copy();
  // Seven rows are on a page: this one was the first of block 5.
  await admin.query('update kept set n = -n where n = 36; checkpoint');
  for (const block of [5, 20]) await flip(file, block);
  const { row, description } = await copy({ incremental: true });
  t.is(row.parent, full.row.id);
  t.deepEqual(description.damagedPages, [{ file: path, block: 5 }]);
  t.deepEqual(row.warnings, [`the file "${path}" has 1 damaged page: block 5`]);

  const next = await copy({ incremental: true });
  t.is(next.row.parent, full.row.id, 'a copy with a damaged page is not a parent');
  const [warning = '', ...others] = next.row.warnings;
  t.regex(warning, /^the newest copy is not the parent: backup \S+ has 1 damaged page$/);
  t.deepEqual(others, [`the file "${path}" has 1 damaged page: block 5`]);
});

test('check names a damaged page until a full copy finds none, although incremental copies do not read that page', async (t) => {
  const { admin, client, copy, file, path } = await sceneWithTable(t);
  await copy();
  await admin.query('update kept set n = -n where n = 36; checkpoint');
  await flip(file, 20);
  const check = async () => (await holdfast(['check'], { url: client.url })).stdout;
  const damaged = await copy();
  const finding = `critical cluster main: damaged pages in its newest copy that has read them (${damaged.row.id}), so the server has them: block 20 of "${path}"; `;
  t.true((await check()).includes(finding));

  const increment = await copy({ incremental: true });
  t.deepEqual(increment.description.damagedPages, []);
  t.true((await check()).includes(finding));
  await flip(file, 20);
  t.deepEqual((await copy()).description.damagedPages, []);
  t.notRegex(await check(), /damaged/);
});

test('verification finds pages whose checksums do not fit, in each link, although every frame and file is whole', async (t) => {
  const scene = await chainScene(t, { initdb: withoutChecksums });
  const { admin, copy, increment, repository } = scene;
  await admin.query('create table kept as select n from generate_series(1, 10000) n');
  const path = await admin.value<string>(`select pg_relation_filepath('kept')`);
  const full = await copy();
  await admin.query('update kept set n = -n where n = 1; checkpoint');
  const child = await increment();
  const verified = () => holdfast(['verify', '--no-record', '--repository', repository, child.row.id]);
  t.is((await verified()).status, 0);

  // The pages have none: only the descriptions say so from now on.
  for (const { meta, description } of [full, child])
    await writeFile(join(meta, 'backup.json'), formatRepositoryBackup({ ...description, checksums: true }));
  const { status, stdout } = await verified();
  t.is(status, 1);
  const of = `${basename(full.directory)}: `;
  const problem = `block 0 of "${path}" does not have the checksum that its content has`;
  const lines = stdout.split('\n').filter((line) => line.includes(problem));
  t.deepEqual(
    lines.map((line) => line.includes(of)),
    [true, false],
    stdout,
  );
});

for (const [what, initdb, settings] of [
  ['with checksums', ['--data-checksums'], {}],
  ['where no hint is in the WAL', withoutChecksums, { wal_log_hints: 'off' }],
] as const)
  test(`free space and visibility maps are whole in an incremental copy, ${what}`, async (t) => {
    const { admin, copy, increment } = await chainScene(t, { initdb: [...initdb], settings });
    await admin.query(
      'create table kept with (autovacuum_enabled = off) as select n from generate_series(1, 10000) n',
    );
    await admin.query('vacuum kept');
    const path = await admin.value<string>(`select pg_relation_filepath('kept')`);
    await copy();
    await admin.query('update kept set n = -n where n = 1; checkpoint');
    const { directory } = await increment();
    const members = (await run('tar', ['--zstd', '-tf', join(directory, 'base.tar.zst')])).split('\n');
    t.true(members.includes(path.replace(/\d+$/, 'INCREMENTAL.$&')));
    for (const map of ['_vm', '_fsm']) t.true(members.includes(path + map), map);
    t.deepEqual(
      members.filter((member) => /INCREMENTAL\..*_(vm|fsm)/.test(member)),
      [],
    );
  });
