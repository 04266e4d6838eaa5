// The programs of examples/offsite, each with the real thing, sending to a directory of this host.
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProcess } from '../../dev/harness/children.ts';
import { holdfast } from '../support/process.ts';
import { syncScene } from '../support/sync-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const example = (name: string) => fileURLToPath(new URL(`../../examples/offsite/${name}`, import.meta.url));

function without(program: string): string | undefined {
  const { status } = spawnSync('sh', ['-c', `command -v ${program}`]);
  return status === 0 ? undefined : `there is no program ${program}`;
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

for (const program of ['rsync', 'rclone']) {
  testWhen(without(program))(`${program} sends a backup and its WAL, and what comes after`, async (t) => {
    const scene = await syncScene(t);
    await scene.archive(1);
    const name = await scene.storeBackup('20260309T010000Z', 1, 1);
    const destination = join(await temporaryDirectory(t), 'main');
    const env = {
      ...scene.env,
      RCLONE_CONFIG: '/dev/null',
      HOLDFAST_CLUSTER_MAIN_SYNC_COMMAND: JSON.stringify([example(`${program}.sh`), destination]),
    };
    for (const n of [2, 3]) {
      const { status, stderr } = await holdfast(['sync'], { env });
      t.is(status, 0, stderr);
      t.deepEqual(await filesIn(destination), await filesIn(join(scene.directory, 'sync', name)));
      await scene.archive(n);
    }
    const there = join(destination, 'backups', name, 'base.tar.zst');
    t.is(await readFile(there, 'utf8'), `the files of ${name}`);
  });
}

testWhen(without('restic'))('restic makes one snapshot for each state, tagged with the backup', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.storeBackup('20260309T010000Z', 1, 1);
  const place = await temporaryDirectory(t);
  await mkdir(join(place, 'cache'));
  await writeFile(join(place, 'password'), 'secret\n');
  const restic = {
    RESTIC_REPOSITORY: join(place, 'restic'),
    RESTIC_PASSWORD_FILE: join(place, 'password'),
    RESTIC_CACHE_DIR: join(place, 'cache'),
  };
  const run = (...args: string[]) => runProcess('restic', args, { env: { ...process.env, ...restic } });
  t.is((await run('init')).status, 0);
  const env = {
    ...scene.env,
    ...restic,
    HOLDFAST_CLUSTER_MAIN_SYNC_COMMAND: JSON.stringify([example('restic.sh')]),
  };
  const { status, stderr } = await holdfast(['sync'], { env });
  t.is(status, 0, stderr);
  const [snapshot, ...others] = JSON.parse((await run('snapshots', '--json')).stdout) as { tags: string[] }[];
  t.deepEqual(others, []);
  t.deepEqual(snapshot?.tags, ['holdfast', 'backup=20260309T010000Z']);
});
