// Off-site sync where files cannot be linked: they are copied, and no part of one is ever taken for the whole.
import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { segment, syncScene } from '../support/sync-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noSmallDisk);

const monday = '20260309T010000Z';

test('files on another file system are copied, and one whose copy was killed is copied again', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const name = await scene.storeBackup(monday, 1, 1);
  const base = join(scene.directory, 'backups', name, 'base.tar.zst');
  const size = 100 << 20;
  await truncate(base, size);
  const sync = join(scene.directory, 'sync');
  await mkdir(sync);
  await smallDisk(t, '250m', sync);

  const killed = await scene.startSync();
  await eventually('a copy of the big file is under way', async () => (await bytesBelow(sync)) > 1 << 20);
  killed.kill('SIGKILL');
  await killed.exited;
  const copy = join(sync, name, 'backups', name, 'base.tar.zst');
  t.true([undefined, size].includes((await stat(copy).catch(() => undefined))?.size), 'all of it or nothing');
  t.is((await scene.sync()).status, 0);
  t.is((await stat(copy)).size, size);
  t.true((await scene.remote()).includes(`backups/${name}/base.tar.zst`));
  t.deepEqual((await readdir(sync)).sort(), [name, 'lock', 'output', 'program'].sort());
});

test('a copy that is shorter than its source is made whole before anything is sent', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const name = await scene.storeBackup(monday, 1, 1);
  const directory = join(scene.directory, 'sync', name, 'backups', name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'base.tar.zst'), 'the fi');
  const wal = join(scene.directory, 'sync', name, 'wal/0000000100000000');
  await mkdir(wal, { recursive: true });
  await writeFile(join(wal, `${segment(1)}.zst`), '');
  t.is((await scene.sync()).status, 0);
  t.is(await readFile(join(directory, 'base.tar.zst'), 'utf8'), `the files of ${name}`);
  t.true((await stat(join(wal, `${segment(1)}.zst`))).size > 0);
  t.is((await scene.runs()).length, 1);
});

async function bytesBelow(directory: string): Promise<number> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = files.map(
    async (entry) => (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0,
  );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
