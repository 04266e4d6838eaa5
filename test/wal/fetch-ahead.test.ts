// While replay consumes a segment the next ones are made ready; what is ready is whole, and of that archive.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isAlive, thisProcess } from '../../src/system/process-identity.ts';
import { fetchDirectory } from '../../src/wal/our-directories.ts';
import { readSpoolOwner, takeSpool } from '../../src/wal/spool.ts';
import { eventually } from '../support/eventually.ts';
import { segmentBytes, standInFor, walScene, type Scene } from '../support/wal.ts';
import { makeRepository } from '../support/repository.ts';
import { sameBytes } from '../support/same-bytes.ts';

const name = (n: number) => `0000000100000000000000${n.toString(16).toUpperCase().padStart(2, '0')}`;

test('the next segments are made ready, and fetching one needs no Node', async (t) => {
  const scene = await recoveringScene(t, 12);
  t.is((await scene.fetch(name(1))).status, 0);
  await untilReady(scene, [2, 3, 4, 5, 6, 7, 8, 9]);
  t.is((await scene.withoutNode(['fetch', name(2), 'pg_wal/RECOVERYXLOG'])).status, 0);
  sameBytes(
    t,
    await readFile(join(scene.dataDirectory, 'pg_wal/RECOVERYXLOG')),
    segmentBytes({ name: name(2) }),
  );
  t.is((await scene.fetch(name(3))).status, 0);
  await untilReady(scene, [4, 5, 6, 7, 8, 9, 10, 11]);
  t.is((await scene.withoutNode(['fetch', '00000002.history', 'pg_wal/RECOVERYHISTORY'])).status, 127);
});

test('at the end of the archive there is nothing more, and that is said as ever', async (t) => {
  const scene = await recoveringScene(t, 3);
  for (const n of [1, 2, 3]) t.is((await scene.fetch(name(n))).status, 0);
  t.is((await scene.fetch(name(4))).status, 1);
  await scene.wal(name(4));
  t.is((await scene.push(name(4))).status, 0);
  t.is((await scene.fetch(name(4))).status, 0);
});

test('when recovery is over, what was made ready goes away', async (t) => {
  const scene = await recoveringScene(t, 6);
  await scene.fetch(name(1));
  await untilReady(scene, [2, 3, 4, 5, 6]);
  await rm(join(scene.dataDirectory, 'recovery.signal'));
  await eventually('the spool is gone', () => !existsSync(spool(scene)));
});

test('when the server is gone, so is what was made ready for it', async (t) => {
  const scene = await recoveringScene(t, 6);
  await scene.fetch(name(1));
  await untilReady(scene, [2, 3, 4, 5, 6]);
  await writeFile(join(scene.dataDirectory, 'postmaster.pid'), '999999999\n');
  await eventually('the spool is gone', () => !existsSync(spool(scene)));
});

const lockFile = (...lines: string[]) => `${lines.join('\n')}\n`;
const beginning = [String(process.pid), '/data', '1764288000', '5432', '/tmp', '127.0.0.1', ' 1 2'];

for (const [what, text] of [
  ['has stopped', undefined],
  ['is about to stop', lockFile(...beginning, 'stopping')],
  ['cannot be told from its lock file', ''],
  ['runs in single-user mode', lockFile(`-${process.pid}`)],
] as const) {
  test(`for a server that ${what} nothing stays ready, and nothing is read ahead`, async (t) => {
    const scene = await recoveringScene(t, 6);
    await scene.fetch(name(1));
    await untilReady(scene, [2, 3, 4, 5, 6]);
    const file = join(scene.dataDirectory, 'postmaster.pid');
    if (text === undefined) await rm(file);
    else await writeFile(file, text);
    await eventually('the spool is gone', () => !existsSync(spool(scene)), { within: 5000 });
    t.is((await scene.fetch(name(1))).status, 0);
    t.false(existsSync(spool(scene)));
  });
}

test('what a read-ahead of another container fills is left to it, until nothing has changed for a while', async (t) => {
  const scene = await recoveringScene(t, 6);
  const its = { ...thisProcess(), pid: 999_999_999, pidNamespace: 'pid:[1]' };
  const clusterDirectory = join(scene.repository, 'main');
  await takeSpool(spool(scene), { process: its, invocation: '|elsewhere|', clusterDirectory });
  t.is((await scene.fetch(name(1))).status, 0);
  t.deepEqual((await readSpoolOwner(spool(scene)))?.process, its);
  const longAgo = new Date(Date.now() - 100_000);
  for (const file of ['owner', '.']) await utimes(join(spool(scene), file), longAgo, longAgo);
  t.is((await scene.fetch(name(1))).status, 0);
  t.notDeepEqual((await readSpoolOwner(spool(scene)))?.process, its);
  await untilReady(scene, [2, 3, 4, 5, 6]);
});

test('what was made ready for another archive is not used', async (t) => {
  const scene = await recoveringScene(t, 4);
  await scene.fetch(name(1));
  await untilReady(scene, [2, 3, 4]);
  await makeRepository(scene.repository, 'other');
  const env = { HOLDFAST_CLUSTER: 'other' };
  const args = ['fetch', name(2), 'pg_wal/RECOVERYXLOG'];
  t.is((await scene.withoutNode(args, { env })).status, 127);
  for (const n of [1, 2]) {
    await scene.wal(name(n), { fill: 'other' });
    await scene.push(name(n), { env });
  }
  t.is((await scene.fetch(name(2), 'pg_wal/RECOVERYXLOG', { env })).status, 0);
  sameBytes(
    t,
    await readFile(join(scene.dataDirectory, 'pg_wal/RECOVERYXLOG')),
    segmentBytes({ name: name(2), fill: 'other' }),
  );
});

test('what was made ready before the machine went down is not used: it was never synced', async (t) => {
  const scene = await recoveringScene(t, 4);
  await scene.fetch(name(1));
  await untilReady(scene, [2, 3, 4]);
  const file = join(spool(scene), 'owner');
  const [, , ...rest] = (await readFile(file, 'utf8')).split('\n');
  const boot = '8c9d1f52-0000-4000-8000-000000000000';
  const gone = JSON.stringify({ ...thisProcess(), boot });
  await writeFile(file, [gone, boot, ...rest].join('\n'));
  await eventually('its process has gone', () => !existsSync(join(spool(scene), `${name(5)}.fetching`)));
  await mkdir(spool(scene), { recursive: true });
  await writeFile(join(spool(scene), name(2)), Buffer.alloc(1 << 20));
  t.is((await scene.withoutNode(['fetch', name(2), 'pg_wal/RECOVERYXLOG'])).status, 127);
  t.is((await scene.fetch(name(2))).status, 0);
  sameBytes(
    t,
    await readFile(join(scene.dataDirectory, 'pg_wal/RECOVERYXLOG')),
    segmentBytes({ name: name(2) }),
  );
});

test('a damaged segment is not made ready, and fetching it says so', async (t) => {
  const scene = await recoveringScene(t, 5);
  const bytes = await readFile(scene.archived(name(4)));
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  await writeFile(scene.archived(name(4)), bytes);
  await scene.fetch(name(1));
  await untilReady(scene, [2, 3, 5]);
  for (const n of [2, 3]) t.is((await scene.fetch(name(n))).status, 0);
  const { status, stderr } = await scene.fetch(name(4));
  t.is(status, 200);
  t.regex(stderr, /is damaged/);
});

test('when replay goes elsewhere, the read-ahead follows', async (t) => {
  const scene = await recoveringScene(t, 30);
  await scene.fetch(name(1));
  await untilReady(scene, [2, 3, 4, 5, 6, 7, 8, 9]);
  t.is((await scene.fetch(name(20))).status, 0);
  await untilReady(scene, [21, 22, 23, 24, 25, 26, 27, 28]);
});

test('nothing is read ahead for a server that does not recover, nor where it is turned off', async (t) => {
  const scene = await recoveringScene(t, 4);
  t.is((await scene.fetch(name(1), 'pg_wal/RECOVERYXLOG', { env: { HOLDFAST_FETCH_AHEAD: '0' } })).status, 0);
  t.false(existsSync(spool(scene)));
  await rm(join(scene.dataDirectory, 'recovery.signal'));
  t.is((await scene.fetch(name(1))).status, 0);
  t.false(existsSync(spool(scene)));
});

test('a spool that was left behind is removed by the first push after recovery', async (t) => {
  const scene = await recoveringScene(t, 2);
  await mkdir(spool(scene));
  await rm(join(scene.dataDirectory, 'recovery.signal'));
  await scene.wal(name(3));
  t.is((await scene.push(name(3))).status, 0);
  t.false(existsSync(spool(scene)));
});

/** A data directory in archive recovery, with a process in the place of its server, and an archive of that many segments. */
async function recoveringScene(t: ExecutionContext, segments: number): Promise<Scene> {
  const scene = await walScene(t);
  for (let n = 1; n <= segments; n += 1) {
    await scene.wal(name(n));
    await scene.archive(name(n));
    t.true(existsSync(scene.archived(name(n))));
    await rm(join(scene.dataDirectory, 'pg_wal', name(n)));
  }
  await writeFile(join(scene.dataDirectory, 'recovery.signal'), '');
  await standInFor(t, scene.dataDirectory);
  t.teardown(() => untilNothingReadsAhead(scene));
  return scene;
}

/** Who still wrote into the spool would be in the way of its removal. */
async function untilNothingReadsAhead(scene: Scene): Promise<void> {
  await rm(join(scene.dataDirectory, 'recovery.signal'), { force: true });
  await eventually('the read-ahead has ended', async () => {
    const owner = await readSpoolOwner(spool(scene));
    return owner === undefined || !isAlive(owner.process.pid);
  });
}

function spool(scene: Scene): string {
  return fetchDirectory(join(scene.dataDirectory, 'pg_wal'));
}

async function untilReady(scene: Scene, numbers: number[]): Promise<void> {
  const wanted = numbers.map(name).join(' ');
  await eventually(`${wanted} are ready`, async () => {
    const names = await readdir(spool(scene)).catch((): string[] => []);
    return (
      names
        .filter((file) => /^[0-9A-F]{24}$/.test(file))
        .sort()
        .join(' ') === wanted
    );
  });
}
