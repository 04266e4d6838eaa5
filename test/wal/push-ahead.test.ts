// A worker archives ahead of the archiver: what it says is archived, a push believes without looking, so it has to be true.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { thisProcess } from '../../src/system/process-identity.ts';
import { pushAhead, type AheadOptions } from '../../src/wal/push-ahead.ts';
import { startProcess } from '../../dev/harness/children.ts';
import { moment } from '../support/moments.ts';
import { makeRepository } from '../support/repository.ts';
import { aheadOptions, segmentBytes, walScene, type Scene } from '../support/wal.ts';
import { sameBytes } from '../support/same-bytes.ts';

const names = [1, 2, 3, 4].map((n) => `00000001000000000000000${n}`);
const [first = '', second = '', third = ''] = names;

test('what waits is archived in order, the first one included, and its push needs no Node to know', async (t) => {
  const scene = await waitingScene(t);
  t.is(await ahead(scene), 4);
  for (const name of names) {
    sameBytes(t, zstdDecompressSync(await readFile(scene.archived(name))), segmentBytes({ name }));
    t.like(await scene.withoutNode(['push', `pg_wal/${name}`]), { status: 0, stdout: '', stderr: '' });
    t.is((await scene.push(name)).status, 0);
  }
  t.is(await ahead(scene), 0);
});

test('of many that wait, those before a damaged one are archived', async (t) => {
  const scene = await waitingScene(t, 4);
  const more = ['5', '6', '7'].map((n) => `00000001000000000000000${n}`);
  for (const name of more) await ready(scene, name, 4);
  const damaged = '000000010000000000000008';
  await ready(scene, damaged);
  await writeFile(join(scene.dataDirectory, 'pg_wal', damaged), 'no segment');
  await t.throwsAsync(ahead(scene), { message: /000000010000000000000008/ });
  for (const name of [...names, ...more]) {
    const content = zstdDecompressSync(await readFile(scene.archived(name)));
    sameBytes(t, content, segmentBytes({ name, size: 4 << 20 }), name);
    t.is((await scene.withoutNode(['push', `pg_wal/${name}`])).status, 0, name);
  }
});

test('only so many segments are archived ahead of the first', async (t) => {
  const scene = await waitingScene(t);
  t.is(await ahead(scene, { ahead: 1 }), 2);
  t.true(existsSync(scene.archived(second)));
  t.false(existsSync(scene.archived(third)));
});

const lasting = {
  segment: [first, segmentBytes({ name: first })],
  'partial segment': [`${first}.partial`, segmentBytes({ name: first })],
  'backup history file': [`${first}.00000028.backup`, Buffer.from('START WAL LOCATION: 0/1000028\n')],
  'timeline history file': ['00000002.history', Buffer.from('1\t0/3000000\tno reason\n')],
} as const;
for (const [kind, [name, content]] of Object.entries(lasting))
  test(`a ${kind} that the archive has no longer, as it was put back from a snapshot, is archived anew`, async (t) => {
    const scene = await waitingScene(t);
    const status = join(scene.dataDirectory, 'pg_wal', 'archive_status');
    for (const one of names) await rm(join(status, `${one}.ready`));
    await scene.wal(name, content);
    await writeFile(join(status, `${name}.ready`), '');
    const archive = () => ahead(scene, { attends: true });
    t.is(await archive(), 1);
    t.is((await scene.withoutNode(['push', `pg_wal/${name}`])).status, 0);
    await rm(scene.archived(name));
    t.is((await scene.withoutNode(['push', `pg_wal/${name}`])).status, 127);
    t.is((await scene.push(name)).status, 0);
    t.true(existsSync(scene.archived(name)), '"wal push" has archived it');
    await rm(scene.archived(name));
    t.is(await archive(), 1);
    t.true(existsSync(scene.archived(name)), 'a worker has');
  });

test('a segment that has been written to since is not believed to be archived', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  const { mtime } = await stat(join(scene.dataDirectory, 'pg_wal', second));
  await scene.wal(second, { fill: 'other' });
  await utimes(join(scene.dataDirectory, 'pg_wal', second), mtime, mtime);
  await refused(t, scene, second);
});

test('another file in its place is not believed to be archived, whatever its times say', async (t) => {
  const scene = await waitingScene(t);
  const path = join(scene.dataDirectory, 'pg_wal', second);
  await writeFile(`${path}.new`, segmentBytes({ name: second, fill: 'other' }));
  await ahead(scene);
  const { atime, mtime } = await stat(path);
  await utimes(`${path}.new`, atime, mtime);
  await rename(`${path}.new`, path);
  await refused(t, scene, second);
});

test('a receipt is good for the place that it was made for, and no other', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  await makeRepository(scene.repository, 'elsewhere');
  const elsewhere = { env: { HOLDFAST_CLUSTER: 'elsewhere' } };
  t.is((await scene.withoutNode(['push', `pg_wal/${second}`], elsewhere)).status, 127);
  t.is((await scene.push(second, elsewhere)).status, 0);
  t.true(existsSync(scene.archived(second).replace('/main/', '/elsewhere/')));
});

test('a configuration that is newer than the receipt is read', async (t) => {
  const scene = await waitingScene(t);
  const config = join(scene.dataDirectory, 'holdfast.toml');
  await writeFile(config, '');
  const env = { HOLDFAST_CONFIG: config };
  await scene.push(first, { env });
  await ahead(scene);
  t.is((await scene.withoutNode(['push', `pg_wal/${second}`], { env })).status, 0);
  await utimes(config, new Date(), new Date(Date.now() + 1000));
  t.is((await scene.withoutNode(['push', `pg_wal/${second}`], { env })).status, 127);
});

test('a receipt of an earlier boot is worth nothing', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  const receipt = join(scene.dataDirectory, 'pg_wal', 'pgsql_tmp.holdfast.push', second);
  const [file = '', , ...rest] = (await readFile(receipt, 'utf8')).split('\n');
  await writeFile(receipt, [file, '8c9d1f52-0000-4000-8000-000000000000', ...rest].join('\n'));
  t.is((await scene.withoutNode(['push', `pg_wal/${second}`])).status, 127);
  t.is((await scene.push(second)).status, 0);
});

test('no worker goes ahead whose repository is another one than that of "wal push", or before there was a push', async (t) => {
  const scene = await waitingScene(t);
  t.is(await ahead(scene, { clusterDirectory: join(scene.repository, 'other') }), 0);
  const fresh = await walScene(t);
  await mkdir(join(fresh.dataDirectory, 'pg_wal', 'archive_status'));
  for (const name of names) await ready(fresh, name);
  t.is(await ahead(fresh), 0);
});

test('receipts of what the archiver is through with are removed', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  const status = join(scene.dataDirectory, 'pg_wal', 'archive_status');
  for (const name of names) await rename(join(status, `${name}.ready`), join(status, `${name}.done`));
  await ahead(scene);
  const left = await readdir(join(scene.dataDirectory, 'pg_wal', 'pgsql_tmp.holdfast.push'));
  t.deepEqual(left.toSorted(), ['repositories', 'target']);
});

test('a push does not wait for a worker that died with the segment in hand', async (t) => {
  const scene = await waitingScene(t);
  const busy = join(scene.dataDirectory, 'pg_wal', 'pgsql_tmp.holdfast.push', `${second}.busy`);
  await writeFile(busy, JSON.stringify({ ...thisProcess(), pid: 999_999_999 }));
  t.is((await scene.push(second)).status, 0);
  await ahead(scene);
  t.false(existsSync(busy));
});

test('a worker that is killed at any moment leaves nothing that is not true', async (t) => {
  const scene = await waitingScene(t, 16);
  const options = JSON.stringify(aheadOptions(scene));
  const module = new URL('../../src/wal/push-ahead.ts', import.meta.url).href;
  const code = `import { pushAhead } from '${module}';
    console.log('begins'); await pushAhead({ ...${options}, goOn: () => true }); console.log('ends');`;
  const run = () => startProcess(t, process.execPath, ['--input-type=module', '-e', code]);
  for (let n = 0; n < 10; n += 1) {
    const worker = await run();
    await worker.untilLine(/begins/);
    await moment(n * 25);
    worker.kill('SIGKILL');
    await worker.exited;
    for (const name of names.slice(1)) {
      const believed = (await scene.withoutNode(['push', `pg_wal/${name}`])).status === 0;
      if (believed || existsSync(scene.archived(name))) t.is((await scene.fetch(name)).status, 0, name);
    }
  }
  await (
    await run()
  ).exited;
  for (const name of names) t.is((await scene.push(name)).status, 0, name);
  t.deepEqual(await readdir(join(scene.repository, 'main', 'wal', '.writing')), []);
});

/** Four segments wait, and there has been a push of an earlier one. */
async function waitingScene(t: ExecutionContext, megabytes = 1): Promise<Scene> {
  const scene = await walScene(t);
  await mkdir(join(scene.dataDirectory, 'pg_wal', 'archive_status'));
  const before = '000000010000000000000000';
  await scene.wal(before, { size: megabytes << 20 });
  await scene.archive(before);
  for (const name of names) await ready(scene, name, megabytes);
  return scene;
}

async function ready(scene: Scene, name: string, megabytes = 1): Promise<void> {
  await scene.wal(name, { size: megabytes << 20 });
  await writeFile(join(scene.dataDirectory, 'pg_wal', 'archive_status', `${name}.ready`), '');
}

function ahead(scene: Scene, change: Partial<AheadOptions> = {}): Promise<number> {
  return pushAhead({ ...aheadOptions(scene), ...change, goOn: () => true });
}

async function refused(t: ExecutionContext, scene: Scene, name: string): Promise<void> {
  t.is((await scene.withoutNode(['push', `pg_wal/${name}`])).status, 127);
  const { status, stderr } = await scene.push(name);
  t.is(status, 1);
  t.regex(stderr, /is different from/);
}
