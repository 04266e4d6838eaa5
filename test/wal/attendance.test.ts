// Where a worker archives everything as soon as it waits, "holdfast-wal push" waits for it, and starts no Node.
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { bootId, processStart } from '../../src/system/process-identity.ts';
import { stopAttending } from '../../src/wal/attendance.ts';
import { pushDirectory } from '../../src/wal/our-directories.ts';
import { pushAhead } from '../../src/wal/push-ahead.ts';
import { startProcess, type Finished } from '../../dev/harness/children.ts';
import { eventually } from '../support/eventually.ts';
import { aheadOptions, segmentBytes, walScene, type Scene } from '../support/wal.ts';

const [before, first, second, third] = [0, 1, 2, 3].map((n) => `00000001000000000000000${n}`) as [
  string,
  string,
  string,
  string,
];

test('a file behind which no other waits is archived by a worker that attends, and by no other', async (t) => {
  const scene = await waitingScene(t);
  t.is(await ahead(scene, false), 0);
  t.false(existsSync(scene.archived(first)));
  t.is(await ahead(scene), 1);
  t.true(existsSync(scene.archived(first)));
  t.is((await withoutNode(scene, first)).status, 0);
});

test('a push waits for the worker that attends, which needs a moment', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  await ready(scene, second);
  const push = withoutNode(scene, second);
  await eventually('it waits', async () => (await waits(scene)) > 3);
  t.is(await ahead(scene), 1);
  t.is((await push).status, 0);
});

test('a push does not wait for long where the worker does nothing', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  await ready(scene, second);
  t.is((await withoutNode(scene, second)).status, 127);
  t.is(await waits(scene), 50);
  t.is((await withoutNode(scene, second)).status, 127);
  t.is(await waits(scene), 50, 'the next push does not wait for it');
  t.is(await ahead(scene), 1);
  await ready(scene, third);
  await withoutNode(scene, third);
  t.is(await waits(scene), 100, 'it has said again that it is there');
});

test('a push does not wait for a worker that has ended, or whose number another process has', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  await ready(scene, second);
  const mine = await readFile(record(scene), 'utf8');
  for (const its of [`999999999 ${processStart(process.pid)}`, `${process.pid} 1`])
    await answersAtOnce(t, scene, mine.replace(/^.*/, its));
  const worker = await startProcess(t, 'sh', ['-c', 'echo begins; exec sleep 600']);
  await worker.untilLine(/begins/);
  await writeFile(record(scene), mine.replace(/^.*/, `${worker.pid} ${processStart(worker.pid)}`));
  const push = withoutNode(scene, second);
  await eventually('it waits', async () => (await waits(scene)) > 0);
  worker.kill('SIGKILL');
  await worker.exited;
  t.is((await push).status, 127);
});

test('a push does not wait for a worker of another boot, or that archives to another place', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  await ready(scene, second);
  const mine = await readFile(record(scene), 'utf8');
  await answersAtOnce(t, scene, mine.replace(bootId() ?? '', '8c9d1f52-0000-4000-8000-000000000000'));
  await answersAtOnce(t, scene, mine.replaceAll(scene.repository, '/elsewhere'));
});

test('a worker that is refused a file, or that stops, is not waited for', async (t) => {
  const scene = await waitingScene(t);
  await ahead(scene);
  await ready(scene, second);
  await writeFile(join(scene.dataDirectory, 'pg_wal', second), 'no segment');
  await t.throwsAsync(ahead(scene), { message: new RegExp(second) });
  t.false(existsSync(record(scene)));
  t.is(await ahead(scene), 0, 'what was refused is remembered');
  t.false(existsSync(record(scene)));

  await rm(join(scene.dataDirectory, 'pg_wal', 'archive_status', `${second}.ready`));
  await ahead(scene);
  t.true(existsSync(record(scene)));
  await stopAttending(join(scene.dataDirectory, 'pg_wal'));
  t.false(existsSync(record(scene)));
});

test('a worker that stops leaves the record of the one that has come after it', async (t) => {
  const scene = await waitingScene(t);
  const its = `1 ${processStart(1)}\n`;
  await writeFile(record(scene), its);
  await stopAttending(join(scene.dataDirectory, 'pg_wal'));
  t.is(await readFile(record(scene), 'utf8'), its);
});

test('a worker does not attend where it has not archived yet, or is about to stop', async (t) => {
  const scene = await walScene(t);
  await mkdir(join(scene.dataDirectory, 'pg_wal', 'archive_status'));
  await ready(scene, first);
  t.is(await ahead(scene), 0);
  t.false(existsSync(record(scene)));
  const waiting = await waitingScene(t);
  t.is(await pushAhead({ ...aheadOptions(waiting), attends: true, goOn: () => false }), 0);
  t.false(existsSync(record(waiting)));
});

async function answersAtOnce(t: ExecutionContext, scene: Scene, text: string): Promise<void> {
  await writeFile(record(scene), text);
  t.is((await withoutNode(scene, second)).status, 127);
  t.is(await waits(scene), 0, text);
}

/** One segment waits, and there has been a push of an earlier one. */
async function waitingScene(t: ExecutionContext): Promise<Scene> {
  const scene = await walScene(t);
  await mkdir(join(scene.dataDirectory, 'pg_wal', 'archive_status'));
  await scene.wal(before);
  t.is((await scene.push(before)).status, 0);
  await ready(scene, first);
  return scene;
}

async function ready(scene: Scene, name: string): Promise<void> {
  await writeFile(join(scene.dataDirectory, 'pg_wal', name), segmentBytes({ name }));
  await writeFile(join(scene.dataDirectory, 'pg_wal', 'archive_status', `${name}.ready`), '');
}

function record(scene: Scene): string {
  return join(pushDirectory(join(scene.dataDirectory, 'pg_wal')), 'worker');
}

function ahead(scene: Scene, attends = true): Promise<number> {
  return pushAhead({ ...aheadOptions(scene), attends, goOn: () => true });
}

/** The script without Node, and with a sleep that counts how often it is asked to. */
async function withoutNode(scene: Scene, name: string): Promise<Finished> {
  const tools = join(scene.dataDirectory, 'tools');
  await mkdir(tools, { recursive: true });
  const counting = `#!/bin/sh\necho >> "${waitsFile(scene)}"\nPATH=/usr/bin:/bin exec sleep "$@"\n`;
  await writeFile(join(tools, 'sleep'), counting, { mode: 0o755 });
  return scene.withoutNode(['push', `pg_wal/${name}`], { tools });
}

async function waits(scene: Scene): Promise<number> {
  return (await readFile(waitsFile(scene), 'utf8').catch(() => '')).length;
}

function waitsFile(scene: Scene): string {
  return join(scene.dataDirectory, 'waits');
}
