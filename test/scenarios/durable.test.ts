// When a request becomes complete, its label and its backup would survive a power cut, and no half of them has a name.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { completeBackup, startBackup } from '../support/backups.ts';
import { copyScene, noCopies, type CopyScene } from '../support/copies.ts';
import { powerCut, type PowerCut } from '../support/power-cut.ts';
import { noStrace, startTraced, type SystemCall, type TracedProcess } from '../support/system-calls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { program } from '../support/programs.ts';

const test = testWhen(noCopies, noStrace).serial;

test('the label of a backup is in the label directory to stay before its request is complete', async (t) => {
  const scene = await copyScene(t);
  const { worker, labels } = await tracedWorker(t, scene);
  const { id } = await startBackup(scene.admin);
  await completeBackup(scene.admin, id);
  const cut = await whenComplete(worker, labels);
  t.deepEqual([cut.lost, cut.namedTooEarly], [[], []]);

  const [entry = ''] = await readdir(join(labels, 'main'));
  const directory = join(labels, 'main', entry);
  for (const file of await readdir(directory)) t.true(cut.isSynced(join(directory, file)), file);
});

test('a copy is in the repository to stay before its request is complete', async (t) => {
  const scene = await copyScene(t);
  const { worker } = await tracedWorker(t, scene);
  const { directory, meta } = await scene.copy();
  const cut = await whenComplete(worker, scene.repository);
  t.deepEqual([cut.lost, cut.namedTooEarly], [[], []]);

  for (const place of [directory, join(directory, 'pg_wal'), meta]) {
    for (const file of await readdir(place)) t.true(cut.isSynced(join(place, file)), join(place, file));
  }
  t.true(existsSync(join(directory, 'backup_manifest')));
  t.true(existsSync(join(meta, 'backup.json')));
});

/** With directories that are not there yet. */
async function tracedWorker(
  t: ExecutionContext,
  { repository, workerLogin }: CopyScene,
): Promise<{ worker: TracedProcess; labels: string }> {
  const labels = join(await temporaryDirectory(t), 'labels');
  const worker = await startTraced(t, process.execPath, [program, 'worker'], {
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: workerLogin.url,
      HOLDFAST_LABELS: labels,
      HOLDFAST_REPOSITORY: repository,
    },
  });
  await worker.untilLine(/\bready\b/);
  return { worker, labels };
}

/** What the power would have had to leave when the worker told the database. */
async function whenComplete(worker: TracedProcess, root: string): Promise<PowerCut> {
  worker.kill('SIGTERM');
  await worker.exited;
  const calls = await worker.calls();
  const telling = calls.find(tellsComplete);
  if (telling === undefined) throw new Error('it told nobody');
  return powerCut(
    calls.filter(({ ends }) => ends < telling.begins),
    root,
  );
}

function tellsComplete({ name, args }: SystemCall): boolean {
  return (
    name.startsWith('write') && /^\d+<(TCP|socket)/.test(args) && args.includes(`set state = 'complete'`)
  );
}
