// Expiry beside a restore, a verification and a drill that are under way: what they read stays until they are through.
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { noChores, requestChore, untilChore } from '../support/chores.ts';
import { drillingScene } from '../support/drills.ts';
import { frozenReader } from '../support/frozen-reader.ts';
import { asRole } from '../support/installed-database.ts';
import { holdfast, startHoldfast } from '../support/process.ts';
import { noRestore } from '../support/restored-copy.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore, noChores);

interface Said {
  goes: { id: number }[];
  stays: { id: number; reasons: string[] }[];
}

test('what is being restored, verified or drilled stays with its WAL, and goes when that has ended', async (t) => {
  const scene = await drillingScene(t);
  const [first, second, third] = [await scene.backup(), await scene.backup(), await scene.backup()];
  await scene.backup();
  const operator = await asRole(t, scene.db, 'operator');
  await operator.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 1)`);
  const there = () => [first, second, third].map(({ directory }) => existsSync(directory));
  const walThere = () =>
    [first, second, third].map(({ description }) =>
      existsSync(archivedPath(scene.directory, description.startWal)),
    );
  const expire = async () => {
    const { stdout, stderr } = await holdfast(['expire', '--json', '--repository', scene.repository], {
      url: scene.workerLogin.url,
    });
    if (stdout === '') throw new Error(stderr);
    const [{ goes, stays }] = JSON.parse(stdout) as [Said];
    const read = stays.filter(({ reasons }) => reasons.includes('it is being read'));
    return { goes: goes.map(({ id }) => id), read: read.map(({ id }) => id) };
  };

  const to = join(await temporaryDirectory(t), 'restored');
  const common = ['--repository', scene.repository];
  const restoring = await startHoldfast(t, ['restore', '1', '--to', to, '--target-immediate', ...common]);
  const letRestoreGo = await frozenReader(t, restoring, first.meta);
  const verifying = await startHoldfast(t, ['verify', '2', ...common], { url: scene.workerLogin.url });
  const letVerifyGo = await frozenReader(t, verifying, second.meta);
  await scene.holdDrills();
  const drill = await requestChore(operator, 'drill', { target_immediate: true }, 3);
  await scene.worker.untilLine(/drill: checking.*nobody holds it/);

  t.deepEqual(await expire(), { goes: [], read: [1, 2, 3] });
  t.deepEqual(
    [there(), walThere()],
    [
      [true, true, true],
      [true, true, true],
    ],
  );

  letRestoreGo();
  t.is((await restoring.exited).status, 0, restoring.output());
  t.deepEqual(await expire(), { goes: [], read: [2, 3] }, 'the restored server still has to recover');
  for (const name of ['backup_label', 'recovery.signal']) await rm(join(to, name)); // as a server does
  t.deepEqual(await expire(), { goes: [1], read: [2, 3] });
  t.deepEqual(
    [there(), walThere()],
    [
      [false, true, true],
      [false, true, true],
    ],
  );

  letVerifyGo();
  t.is((await verifying.exited).status, 0, verifying.output());
  t.deepEqual(await expire(), { goes: [2], read: [3] });
  t.deepEqual(
    [there(), walThere()],
    [
      [false, false, true],
      [false, false, true],
    ],
  );

  await scene.letDrillsGo();
  await untilChore(operator, drill, 'complete');
  t.deepEqual(await expire(), { goes: [3], read: [] });
  t.deepEqual(
    [there(), walThere()],
    [
      [false, false, false],
      [false, false, false],
    ],
  );
});
