import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { example, finished, stage } from './stage.ts';

test('scripts/pre-holdfast.sh and post-holdfast.sh back up', async (t) => {
  const scene = await stage(t);
  const started = await scene.run(example('scripts/pre-holdfast.sh'), 'nightly');
  t.is(started.status, 0, started.stderr);
  t.is((await scene.request()).state, 'running');

  const stopped = await scene.run(example('scripts/post-holdfast.sh'), 'nightly', scene.directory);
  t.is(stopped.status, 0, stopped.stderr);
  await finished(t, scene);
  t.false(existsSync(join(scene.directory, 'tablespace_map')));
});

test('scripts/post-holdfast.sh cancels the backup when the copy has failed', async (t) => {
  const scene = await stage(t);
  await scene.run(example('scripts/pre-holdfast.sh'), 'nightly');
  const stopped = await scene.run(example('scripts/post-holdfast.sh'), 'nightly', scene.directory, '2');
  t.is(stopped.status, 1, stopped.stderr);
  t.is((await scene.request()).state, 'cancelled');
});

test('snapshot/snapshot.sh cancels the backup when there is no snapshot', async (t) => {
  const scene = await stage(t);
  const failed = await scene.run(example('snapshot/snapshot.sh'), 'nightly', scene.directory, 'tape');
  t.is(failed.status, 1, failed.stderr);
  t.is((await scene.request()).state, 'cancelled');
});
