// From one data directory WAL is archived in order, whoever does it: nothing gets past what the archive refuses of it.
import { existsSync } from 'node:fs';
import { cp, mkdir, open, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { processStart, thisProcess } from '../../src/system/process-identity.ts';
import { pushAhead } from '../../src/wal/push-ahead.ts';
import { placePrepared, prepareWal, pushWal } from '../../src/wal/push-segment.ts';
import { pushDirectory } from '../../src/wal/our-directories.ts';
import { markerPath, serverHasStopped, withPushedMarker } from '../../src/wal/pushed-markers.ts';
import { runProcess, startProcess } from '../../dev/harness/children.ts';
import { eventually } from '../support/eventually.ts';
import { aheadOptions, segmentBytes, walScene, type Scene } from '../support/wal.ts';
import { sameBytes } from '../support/same-bytes.ts';

const name = (n: number, timeline = 1) =>
  `0000000${timeline}00000000000000${n.toString(16).toUpperCase().padStart(2, '0')}`;

test('nothing is archived ahead of a segment that the archive refuses', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3, 4, 5, 6, 7, 8]);
  await other(scene, name(1));
  await t.throwsAsync(ahead(scene), { message: /is different from/ });
  t.deepEqual(await archived(scene), [name(0), name(1)]);
});

test('nothing is archived behind a segment that is refused in the middle, and its temporary files go', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3, 4, 5, 6, 7, 8]);
  await other(scene, name(3));
  await t.throwsAsync(ahead(scene), { message: new RegExp(name(3)) });
  t.deepEqual(
    await archived(scene),
    [0, 1, 2, 3].map((n) => name(n)),
  );
  t.deepEqual(await readdir(join(scene.repository, 'main/wal/.writing')), []);
});

test('a refusal is remembered until the archiver has got past it', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  await other(scene, name(1));
  await t.throwsAsync(ahead(scene));
  await rm(scene.archived(name(1)));
  t.is(await ahead(scene), 0);
  t.deepEqual(await archived(scene), [name(0)]);
  t.is((await scene.push(name(1))).status, 0);
  await archiverIsPast(scene, name(1));
  t.is(await ahead(scene), 2);
});

test('what "wal push" was refused, nobody passes over', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  await other(scene, name(1));
  t.is((await scene.push(name(1))).status, 1);
  t.is(await ahead(scene), 0);
  t.deepEqual(await archived(scene), [name(0), name(1)]);
});

test('a twin that was promoted at the same place gets nothing past its first segment', async (t) => {
  const scene = await waitingScene(t, []);
  const history = '00000002.history';
  const text = '1\t0/100000\tno recovery target specified\n';
  await scene.wal(history, Buffer.from(text));
  t.is((await scene.push(history)).status, 0);
  await ready(scene, name(1, 2), 'the twin');
  t.is((await scene.push(name(1, 2))).status, 0);

  await status(scene, history);
  for (const n of [1, 2, 3, 4, 5]) await ready(scene, name(n, 2), 'ours');
  t.is((await scene.push(history)).status, 0, 'it is identical');
  t.is((await scene.push(name(1, 2))).status, 1);
  t.is(await ahead(scene), 0);
  await rm(join(directory(scene), 'refused'));
  await t.throwsAsync(ahead(scene), { message: /is different from/ });
  t.deepEqual(await archived(scene), [name(0), name(1, 2)]);
});

test('nothing is archived ahead across a segment that does not wait, nor on another timeline', async (t) => {
  const gap = await waitingScene(t, [1, 2, 4, 5]);
  await ahead(gap);
  t.deepEqual(
    await archived(gap),
    [0, 1, 2].map((n) => name(n)),
  );
  const fork = await waitingScene(t, [1, 2]);
  for (const n of [3, 4]) await ready(fork, name(n, 2));
  await ahead(fork);
  t.deepEqual(
    await archived(fork),
    [0, 1, 2].map((n) => name(n)),
  );
});

test('several processes of one data directory archive in order, together', async (t) => {
  const numbers = Array.from({ length: 24 }, (_, n) => n + 1);
  const scene = await waitingScene(t, numbers);
  await other(scene, name(20));
  const module = new URL('../../src/wal/push-ahead.ts', import.meta.url).href;
  const options = JSON.stringify({ ...aheadOptions(scene), ahead: 30 });
  const code = `import { pushAhead } from '${module}';
    await pushAhead({ ...${options}, goOn: () => true }).catch((error) => console.log(error.message));`;
  const script = join(scene.dataDirectory, '../ahead.mjs');
  await writeFile(script, code);
  const run = () => startProcess(t, process.execPath, [script]);
  const processes = await Promise.all([run(), run(), run()]);
  let over = false;
  const watching = (async () => {
    while (!over) {
      const found = (await archived(scene)).filter((one) => one !== name(20));
      t.deepEqual(
        found,
        [0, ...numbers].slice(0, found.length).map((n) => name(n)),
        'without a hole',
      );
    }
  })();
  await Promise.all(processes.map(({ exited }) => exited));
  over = true;
  await watching;
  while ((await ahead(scene, { ahead: 30 }).catch(() => 0)) > 0);
  t.deepEqual(
    await archived(scene),
    [0, ...numbers.slice(0, 20)].map((n) => name(n)),
  );
});

test('a copy of a data directory believes none of the marks that came with it', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3, 4]);
  await ahead(scene, { ahead: 1 });
  const copy = join(scene.dataDirectory, '../copy');
  await cp(scene.dataDirectory, copy, { recursive: true, preserveTimestamps: true });
  t.true(existsSync(markerPath(join(copy, 'pg_wal', name(1)))), 'its marks came with it');
  const atCopy = { ...scene, dataDirectory: copy };
  t.is(await ahead(atCopy), 0, 'it has pushed nothing itself');
  t.is((await scene.withoutNode(['push', join(copy, 'pg_wal', name(1))])).status, 127);

  await ready(atCopy, name(3), 'the copy');
  await ready(atCopy, name(4), 'the copy');
  t.is(await ahead(scene), 2);
  t.is(await ahead(atCopy), 0);
});

test('what another process has in hand is waited for, and nothing goes past it where that process ends', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  const busy = `${markerPath(join(scene.dataDirectory, 'pg_wal', name(1)))}.busy`;
  const holder = await startProcess(t, 'sh', ['-c', 'echo begins; exec sleep 600']);
  await holder.untilLine(/begins/);
  const its = { ...thisProcess(), pid: holder.pid, startedAt: processStart(holder.pid) };
  await writeFile(busy, JSON.stringify(its));
  const going = ahead(scene);
  const writing = join(scene.repository, 'main/wal/.writing');
  await eventually('the next one is prepared', async () => (await readdir(writing)).length > 0);
  t.deepEqual(await archived(scene), [name(0)]);
  holder.kill('SIGKILL');
  await holder.exited;
  t.is(await going, 0);
  t.deepEqual(await archived(scene), [name(0)]);
  t.is(await ahead(scene), 3);
});

test('a push ends, whoever has a later segment in hand and does not get on with it', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  const holder = await startProcess(t, 'sh', ['-c', 'echo begins; exec sleep 600']);
  await holder.untilLine(/begins/);
  const its = { ...thisProcess(), pid: holder.pid, startedAt: processStart(holder.pid) };
  await writeFile(`${markerPath(join(scene.dataDirectory, 'pg_wal', name(2)))}.busy`, JSON.stringify(its));
  t.is((await scene.push(name(1))).status, 0);
  t.deepEqual(
    await archived(scene),
    [0, 1].map((n) => name(n)),
  );
});

test('of a process in another container only the time says that it has ended', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  const busy = `${markerPath(join(scene.dataDirectory, 'pg_wal', name(2)))}.busy`;
  await writeFile(busy, JSON.stringify({ ...thisProcess(), pid: 999_999_999, pidNamespace: 'pid:[1]' }));
  const going = ahead(scene);
  await eventually('the first one is archived', () => existsSync(scene.archived(name(1))));
  t.true(existsSync(busy));
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(busy, longAgo, longAgo);
  await going;
  await ahead(scene);
  t.deepEqual(
    await archived(scene),
    [0, 1, 2, 3].map((n) => name(n)),
  );
});

test('once the server has stopped, what has a file in hand leaves its directory alone, where pg_rewind may be at work', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  const postmaster = join(scene.dataDirectory, 'postmaster.pid');
  const path = join(scene.dataDirectory, 'pg_wal', name(2));
  const target = { clusterDirectory: join(scene.repository, 'main'), invocation: undefined };
  for (const refused of [false, true]) {
    await writeFile(postmaster, `${process.pid}\n`);
    let listed: string[] = [];
    const archive = async () => {
      listed = await readdir(directory(scene));
      await rm(postmaster);
      if (refused) throw new Error('refused');
    };
    await t.throwsAsync(withPushedMarker(path, target, archive), { is: serverHasStopped });
    t.true(listed.includes(`${name(2)}.busy`));
    t.deepEqual(await readdir(directory(scene)), listed);
  }
  t.is(await ahead(scene), 3, 'as if it had never been in hand');
  t.false(existsSync(`${markerPath(path)}.busy`));
});

test('a push whose server stops meanwhile archives its file, and leaves the rest of the directory alone', async (t) => {
  const scene = await waitingScene(t, [1, 2, 3]);
  const config = join(scene.dataDirectory, '../config');
  await runProcess('mkfifo', [config]);
  await writeFile(join(scene.dataDirectory, 'postmaster.pid'), `${process.pid}\n`);
  const before = await readdir(directory(scene));
  const pushing = scene.push(name(1), { env: { HOLDFAST_CONFIG: config } });
  const opened = await open(config, 'w'); // once it is being read
  await rm(join(scene.dataDirectory, 'postmaster.pid'));
  await opened.close();
  t.like(await pushing, { status: 0, stderr: '' });
  t.deepEqual(
    await archived(scene),
    [0, 1].map((n) => name(n)),
  );
  t.deepEqual(await readdir(directory(scene)), before);
});

test('what was prepared is compared once more where somebody else was quicker', async (t) => {
  const scene = await waitingScene(t, [1]);
  const path = join(scene.dataDirectory, 'pg_wal', name(1));
  const prepared = await prepareWal({ ...aheadOptions(scene), path });
  await other(scene, name(1));
  const theirs = await readFile(scene.archived(name(1)));
  await t.throwsAsync(placePrepared(prepared), { message: /is different from/ });
  sameBytes(t, await readFile(scene.archived(name(1))), theirs);
});

/** Those segments wait, and there has been a push of an earlier one. */
async function waitingScene(t: ExecutionContext, numbers: number[]): Promise<Scene> {
  const scene = await walScene(t);
  await mkdir(join(scene.dataDirectory, 'pg_wal', 'archive_status'));
  await scene.wal(name(0));
  await scene.archive(name(0));
  for (const n of numbers) await ready(scene, name(n));
  return scene;
}

async function ready(scene: Scene, file: string, fill = 'row'): Promise<void> {
  await scene.wal(file, { fill });
  await status(scene, file);
}

async function status(scene: Scene, file: string): Promise<void> {
  await writeFile(join(scene.dataDirectory, 'pg_wal', 'archive_status', `${file}.ready`), '');
}

async function archiverIsPast(scene: Scene, file: string): Promise<void> {
  const path = join(scene.dataDirectory, 'pg_wal', 'archive_status', file);
  await rename(`${path}.ready`, `${path}.done`);
}

/** Another server's segment of that name is in the archive. */
async function other(scene: Scene, file: string): Promise<void> {
  const path = join(scene.dataDirectory, '../other', file);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, segmentBytes({ name: file, fill: 'another server' }));
  await pushWal({ ...aheadOptions(scene), path });
}

async function archived(scene: Scene): Promise<string[]> {
  const wal = join(scene.repository, 'main/wal');
  const names = await readdir(wal, { recursive: true });
  return names
    .map((path) => /([0-9A-F]{24})\.zst$/.exec(path)?.[1] ?? '')
    .filter((one) => one !== '')
    .sort();
}

function directory(scene: Scene): string {
  return pushDirectory(join(scene.dataDirectory, 'pg_wal'));
}

function ahead(scene: Scene, change: { ahead?: number } = {}): Promise<number> {
  return pushAhead({ ...aheadOptions(scene), ...change, goOn: () => true });
}
