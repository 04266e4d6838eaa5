// Verifications and drills by several workers, one of which may be killed: one at a time, and done again by the next.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { untilGone } from '../../dev/embedded/processes.ts';
import { chore, noChores, requestChore, untilChore } from '../support/chores.ts';
import { dataIn, drillingScene } from '../support/drills.ts';
import { holdFile } from '../support/held-file.ts';
import { asRole } from '../support/installed-database.ts';
import { noRestore } from '../support/restored-copy.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore, noChores);

test('a verification whose worker is killed is done again by the next one', async (t) => {
  const scene = await drillingScene(t);
  const { directory } = await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  const held = await holdFile(t, join(directory, 'backup_manifest'));
  const id = await requestChore(operator, 'verify');
  await held.opened;
  t.like(await chore(operator, id), { state: 'running', attempts: 1 });
  scene.worker.kill('SIGKILL');
  await scene.worker.exited;
  await held.release();

  await scene.startWorker({ env: scene.drillEnv });
  const done = await untilChore(operator, id, 'complete');
  t.like(done, { attempts: 2, error: null });
  t.not(done.worker, null);
  const verified = await operator.query('select ok from holdfast.backup_verification');
  t.deepEqual(verified, [{ ok: true }]);
});

test('a drill whose worker is killed is done again by the next one, which ends and removes what that left', async (t) => {
  const scene = await drillingScene(t);
  await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  await scene.holdDrills();
  const id = await requestChore(operator, 'drill');
  await scene.worker.untilLine(/drill: checking.*nobody holds it/);
  const [name = ''] = await readdir(scene.drillDirectory);
  const data = dataIn(scene.drillDirectory, name);
  const server = Number.parseInt(await readFile(join(data, 'postmaster.pid'), 'utf8'), 10);
  scene.worker.kill('SIGKILL');
  await scene.worker.exited;
  t.true(existsSync(data));
  await scene.letDrillsGo();

  await scene.startWorker({ env: scene.drillEnv });
  t.like(await untilChore(operator, id, 'complete'), { attempts: 2, error: null });
  await untilGone([server]);
  t.deepEqual(await readdir(scene.drillDirectory), []);
  const drilled = await operator.query('select ok, error from holdfast.backup_drill');
  t.deepEqual(drilled, [{ ok: true, error: null }]);
});

test('two workers do one verification and one drill of a cluster at a time', async (t) => {
  const scene = await drillingScene(t);
  await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  await scene.startWorker({ env: scene.drillEnv });
  await operator.query('begin');
  const asked: string[] = [];
  for (const kind of ['verify', 'drill', 'verify', 'drill', 'verify'])
    asked.push(await requestChore(operator, kind, kind === 'drill' ? { target_immediate: true } : {}));
  await operator.query('commit');
  for (const id of asked) t.is((await untilChore(operator, id, 'complete')).attempts, 1);
  const overlaps = await operator.query(
    `select a.id, b.id from holdfast.backup_chore a join holdfast.backup_chore b
       on a.kind = b.kind and a.id < b.id
       and (a.started_at, a.finished_at) overlaps (b.started_at, b.finished_at)`,
  );
  t.deepEqual(overlaps, []);
});
