// What a backup leaves that cannot be begun: nothing of its own.
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import test from 'ava';
import { createRepository } from '../../src/repository/repository-owner.ts';
import { UnfinishedBackup } from '../../src/repository/unfinished-backup.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const backup = { id: 7, startedAt: '2026-01-01T02:03:04.567Z' };

test('a backup that cannot be begun leaves nothing of its own, and what another writer has', async (t) => {
  const cluster = await temporaryDirectory(t);
  const directory = join(cluster, 'backups');
  await t.throwsAsync(UnfinishedBackup.create(cluster, backup), { code: 'no_repository' });
  t.deepEqual(await readdir(directory), [], 'the mount point of a repository that was unmounted');
  await createRepository(cluster);
  const begun = await UnfinishedBackup.create(cluster, backup);
  t.teardown(() => begun.discard()); // Node 26 ends where a file was never closed
  const { shown } = begun;
  const theirs = (await readdir(directory)).sort();
  await t.throwsAsync(UnfinishedBackup.create(cluster, backup), { message: /cannot be written: EEXIST/ });
  t.deepEqual((await readdir(directory)).sort(), theirs);

  await rename(shown, `${shown}.moved`);
  for (const one of theirs.filter((their) => their.endsWith('.owner'))) await rm(join(directory, one));
  await writeFile(shown, 'a file in the place of the directory');
  await t.throwsAsync(UnfinishedBackup.create(cluster, backup));
  t.deepEqual(await readdir(directory), [`${basename(shown)}.moved`]);
});

testWhen(noSmallDisk)('on a full disk no owner of a backup that was not begun stays behind', async (t) => {
  const disk = await smallDisk(t);
  await mkdir(join(disk.directory, 'backups'));
  await disk.fill();
  await t.throwsAsync(UnfinishedBackup.create(disk.directory, backup), { code: 'repository_full' });
  t.deepEqual(await readdir(join(disk.directory, 'backups')), []);
});
