// `holdfast label` and `holdfast place` when the database is gone, from what is in the repository.
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lookAtLeases } from '../../src/retention/leases.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noServerFiles } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { noCopies } from '../support/copies.ts';

const test = testWhen(noServerFiles, noCopies).serial;
const gone = 'postgres://nobody@127.0.0.1:1/nothing';

test('a label is written from the repository when database and label directory are gone', async (t) => {
  const scene = await repositoryScene(t);
  const { description, meta } = await scene.backup();
  const to = join(await temporaryDirectory(t), 'label');
  const labels = await temporaryDirectory(t);
  const { status, stdout, stderr } = await holdfast(['label', String(description.id), '--to', to], {
    url: gone,
    env: { HOLDFAST_REPOSITORY: scene.repository, HOLDFAST_LABELS: labels },
  });
  t.is(status, 0, stderr);
  t.true(stdout.includes(`from ${meta}`), stdout);
  t.deepEqual(await readFile(join(to, 'backup_label')), await readFile(join(meta, 'backup_label')));
});

test('a backup that is in the label directory as well is found once', async (t) => {
  const scene = await repositoryScene(t);
  const { description } = await scene.backup();
  const to = join(await temporaryDirectory(t), 'label');
  const { status, stderr } = await holdfast(['label', String(description.id), '--to', to], {
    url: gone,
    env: { HOLDFAST_REPOSITORY: scene.repository, HOLDFAST_LABELS: scene.labels },
  });
  t.is(status, 0, stderr);
});

test('a directory that tar restored from the repository gets its label back, and its WAL stays until it has recovered', async (t) => {
  const scene = await repositoryScene(t);
  const { description, directory, meta } = await scene.backup();
  const data = await temporaryDirectory(t);
  await runProcess('tar', ['--zstd', '-xpf', join(directory, 'base.tar.zst'), '-C', data]);
  await rm(join(data, 'backup_label'));
  for (const which of [directory, `${directory}/`, meta]) {
    const { status, stderr } = await holdfast(['place', which, '--data-directory', data], { url: gone });
    t.is(status, 0, stderr);
    t.deepEqual(await readFile(join(data, 'backup_label')), await readFile(join(meta, 'backup_label')));
  }
  const byId = ['place', String(description.id), '--data-directory', data];
  const args = [...byId, '--from-repository', scene.repository, '--json'];
  const { status, stdout } = await holdfast(args, { url: gone });
  t.is(status, 0);
  const { lease } = JSON.parse(stdout) as { lease: string };
  const look = () => lookAtLeases(scene.directory, new Date(), () => Promise.resolve(true));
  const [{ reason } = { reason: '' }] = (await look()).valid;
  t.true(reason.startsWith(`it is being recovered in "${data}" on host `), reason);
  await rename(join(data, 'backup_label'), join(data, 'backup_label.old'));
  t.deepEqual((await look()).over, [join(scene.directory, 'leases', `${lease}.json`)]);
  const missing = await holdfast([
    'place',
    '77',
    '--data-directory',
    data,
    '--from-repository',
    scene.repository,
  ]);
  t.is(missing.status, 1);
  t.regex(missing.stderr, /no label of backup 77: the database was not asked, and ".*" has no entry for it/);
});
