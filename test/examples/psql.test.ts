import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { noPsql } from '../support/psql.ts';
import { testWhen } from '../support/test-when.ts';
import { example, finished, stage } from './stage.ts';

const psqlTest = testWhen(noPsql);
const label = "Tuesday's “nightly”";

psqlTest('psql/runbook.sql backs up', async (t) => {
  const scene = await stage(t);
  const copied = join(scene.directory, 'copied');
  const { status, stdout, stderr } = await runbook(scene, `touch '${copied}'`);
  t.is(status, 0, stderr);
  t.regex(stdout, /^backup 1 is running from \S+\nbackup 1 is complete\n$/);
  t.true(existsSync(copied));
  await finished(t, scene);
});

psqlTest('psql/runbook.sql cancels the backup when the copy fails', async (t) => {
  const scene = await stage(t);
  const { status, stderr } = await runbook(scene, 'exit 2');
  t.is(status, 3);
  t.regex(stderr, /the copy failed/);
  t.is((await scene.request()).state, 'cancelled');
});

psqlTest('scripts/pre-psql.sh and post-psql.sh back up', async (t) => {
  const scene = await stage(t);
  const started = await scene.run(example('scripts/pre-psql.sh'), label);
  t.is(started.status, 0, started.stderr);
  t.is((await scene.request()).state, 'running');

  const again = await scene.run(example('scripts/pre-psql.sh'), label);
  t.not(again.status, 0);

  const stopped = await scene.run(example('scripts/post-psql.sh'), label, scene.directory);
  t.is(stopped.status, 0, stopped.stderr);
  await finished(t, scene);
  t.false(existsSync(join(scene.directory, 'tablespace_map')));
});

psqlTest('scripts/post-psql.sh cancels the backup when the copy has failed', async (t) => {
  const scene = await stage(t);
  await scene.run(example('scripts/pre-psql.sh'), label);
  const stopped = await scene.run(example('scripts/post-psql.sh'), label, scene.directory, '2');
  t.is(stopped.status, 1, stopped.stderr);
  t.is((await scene.request()).state, 'cancelled');
});

function runbook(scene: Awaited<ReturnType<typeof stage>>, copy: string) {
  const variables = { label, directory: scene.directory, copy };
  const set = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
  return scene.run('psql', '-X', ...set, '-f', example('psql/runbook.sql'));
}
