import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCluster } from '../../dev/embedded/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { example } from './stage.ts';
import { program } from '../support/programs.ts';

testWhen(noBtrfs())('snapshot/snapshot.sh: a btrfs snapshot restores with its label', async (t) => {
  const mount = await temporaryDirectory(t);
  const image = join(await temporaryDirectory(t), 'disk');
  t.is(makeFileSystem(image), 0);
  t.is(spawnSync('mount', ['-o', 'loop', image, mount]).status, 0);
  t.teardown(() => void spawnSync('umount', [mount]));
  t.is(spawnSync('btrfs', ['subvolume', 'create', join(mount, 'live')]).status, 0);
  spawnSync('chmod', ['711', mount]);

  const live = await createCluster({ directory: join(mount, 'live') });
  t.teardown(() => live.remove());
  await live.start();
  await installInto(live.url());
  const worker = await startWorkerProcess(t, { url: live.url() });
  const client = await connect(t, live.url());
  await client.query('create table kept as select n from generate_series(1, 1000) n');

  const labels = join(await temporaryDirectory(t), 'nightly');
  await mkdir(labels);
  const done = await runProcess(
    example('snapshot/snapshot.sh'),
    ['nightly', labels, 'btrfs', join(mount, 'live'), join(mount, 'nightly')],
    { env: { ...process.env, DATABASE_URL: live.url(), HOLDFAST: program } },
  );
  t.is(done.status, 0, done.stderr);
  worker.kill('SIGTERM');
  await worker.exited;
  await client.close();
  await live.stop();

  const clone = join(mount, 'clone');
  t.is(spawnSync('btrfs', ['subvolume', 'snapshot', join(mount, 'nightly'), clone]).status, 0);
  const placed = await holdfast([
    'place',
    '1',
    '--from-labels',
    worker.labels,
    '--data-directory',
    join(clone, 'data'),
  ]);
  t.is(placed.status, 0, placed.stderr);

  const restored = await createCluster({ directory: clone });
  t.teardown(() => restored.remove());
  await restored.asServerUser.writeFile(join(restored.dataDirectory, 'recovery.signal'), '');
  await restored.appendSettings({
    restore_command: `cp "${live.archiveDirectory}/%f" "%p"`,
    archive_mode: 'off',
  });
  await restored.start();
  t.is(await (await connect(t, restored.url())).value('select sum(n)::int from kept'), 500_500);
});

function noBtrfs(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount a btrfs file system';
  if (spawnSync('mkfs.btrfs', ['--version']).status !== 0)
    return 'there is no mkfs.btrfs: install btrfs-progs';
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  try {
    const image = `${directory}.img`;
    const mounted =
      makeFileSystem(image) === 0 && spawnSync('mount', ['-o', 'loop', image, directory]).status === 0;
    if (mounted) spawnSync('umount', [directory]);
    rmSync(image, { force: true });
    return mounted ? undefined : 'no btrfs file system can be mounted here';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function makeFileSystem(image: string): number | null {
  spawnSync('truncate', ['-s', '512M', image]);
  return spawnSync('mkfs.btrfs', ['-q', image]).status;
}
