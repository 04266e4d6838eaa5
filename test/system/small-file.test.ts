import { chmod, chown, lchown, mkdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { run } from '../../dev/embedded/run.ts';
import { readSmallFile } from '../../src/system/small-file.ts';
import { readLeases } from '../../src/repository/lease.ts';
import { leasesDirectory } from '../../src/repository/lease-file.ts';
import { readArchive } from '../../src/repository/archive-content.ts';
import { readManifest } from '../../src/repository/backup-inventory.ts';
import { readCompressedFile } from '../../src/repository/compressed-file.ts';
import type { StoredBackup } from '../../src/repository/catalog.ts';
import { readAncestors } from '../../src/postgres/timeline-history.ts';
import { serverLock } from '../../src/postgres/postmaster.ts';
import { readSoundControlFile } from '../../src/postgres/torn-control-file.ts';
import { lookAheadOfCopy } from '../../src/labels/look-ahead-of-copy.ts';
import { isBusy, markerPath } from '../../src/wal/pushed-markers.ts';
import { readSpoolOwner } from '../../src/wal/spool.ts';
import { withReaderLock } from '../../src/system/file-lock.ts';
import { labelBeside } from '../../src/repository/recorded-backup.ts';
import { readOwner } from '../../src/repository/repository-owner.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

test('a pipe, a directory and a huge file in place of a small one are refused at once', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = (name: string) => join(directory, name);
  await writeFile(path('small'), 'text');
  t.is((await readSmallFile(path('small'))).toString(), 'text');

  await run('mkfifo', [path('pipe')]);
  await t.throwsAsync(readSmallFile(path('pipe')), {
    code: 'EINVAL',
    message: /pipe" is not a regular file/,
  });
  await mkdir(path('directory'));
  await t.throwsAsync(readSmallFile(path('directory')), { code: 'EINVAL' });
  await writeFile(path('huge'), '');
  await truncate(path('huge'), 2 ** 31);
  await t.throwsAsync(readSmallFile(path('huge')), { code: 'EFBIG' });
});

testWhen(process.getuid?.() === 0 ? undefined : 'only root can read what others cannot')(
  "root reads a file of root's through no symbolic link that another user has made",
  async (t) => {
    const [directory, secret] = [await temporaryDirectory(t), join(await temporaryDirectory(t), 'secret')];
    const [link, theirs] = [join(directory, '00000002.history'), join(directory, 'theirs')];
    await writeFile(secret, 'root:secret\n', { mode: 0o600 });
    await symlink(secret, link);
    t.is((await readSmallFile(link)).toString(), 'root:secret\n', "it is root's own link");

    for (const path of [link, directory]) await lchown(path, 65_534, 65_534);
    const error = await t.throwsAsync(readSmallFile(link), { code: 'ELOOP' });
    t.is(error.message, `"${link}" is a symbolic link of another user, who leads root to what is not theirs`);
    await writeFile(theirs, 'theirs');
    await chown(theirs, 65_534, 65_534);
    await rm(link);
    await symlink('theirs', link);
    t.is((await readSmallFile(link)).toString(), 'theirs');

    await rm(link);
    await symlink(secret, link);
    await chown(directory, 0, 65_534);
    await chmod(directory, 0o775);
    await t.throwsAsync(readSmallFile(link), { code: 'ELOOP' }, 'the group may have made it');
  },
);

test('a pipe in place of owner.json makes the repository unreadable, by name', async (t) => {
  const directory = await temporaryDirectory(t);
  await run('mkfifo', [join(directory, 'owner.json')]);
  const error = await t.throwsAsync(readOwner(directory), { message: /owner\.json.*is not a regular file/ });
  t.like(error, { code: 'repository_unreadable' });
});

test('a pipe in place of a lease makes the leases unreadable, by name', async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(leasesDirectory(directory), { recursive: true });
  await run('mkfifo', [join(leasesDirectory(directory), 'one.json')]);
  const error = await t.throwsAsync(readLeases(directory), { message: /one\.json.*is not a regular file/ });
  t.like(error, { code: 'repository_unreadable' });
});

const name = '000000010000000000000002';

/** Each reads what somebody else may have put into a repository, a label directory or a data directory. */
const readers: Record<string, [file: string, read: (directory: string) => Promise<unknown>]> = {
  'the history of a timeline': ['wal/00000002.history', readArchive],
  'a manifest': [
    'backup_manifest',
    (directory) => readManifest({ directory, description: {}, meta: directory } as StoredBackup),
  ],
  'a segment of the archive': [
    'segment.zst',
    async (directory) => {
      for await (const _ of readCompressedFile(join(directory, 'segment.zst'), 1)) throw new Error('a frame');
    },
  ],
  'a segment in pg_wal of a copy': [
    `pg_wal/${name}`,
    (directory) =>
      lookAheadOfCopy({
        backup: {
          description: {
            id: 1,
            cluster: 'main',
            label: 'x',
            serverVersion: '18.4',
            systemIdentifier: '7',
            timeline: 1,
            startedAt: '2026-01-01T02:03:04.567Z',
            stoppedAt: '2026-01-01T02:04:04.567Z',
            startLsn: '0/2000028',
            startWal: name,
            stopLsn: '0/2000138',
            stopWal: name,
          },
          label: Buffer.from(''),
          tablespaceMap: null,
          state: undefined,
          source: '',
        },
        directory,
        walSegmentSize: 1 << 24,
        clusterDirectory: undefined,
        stopBefore: undefined,
        timeline: 'latest',
      }),
  ],
  pg_control: ['global/pg_control', readSoundControlFile],
  'postmaster.pid': ['postmaster.pid', serverLock],
};

for (const [what, [file, read]] of Object.entries(readers))
  test(`a pipe in place of ${what} holds up nobody who reads it`, async (t) => {
    const directory = await temporaryDirectory(t);
    await mkdir(join(directory, file, '..'), { recursive: true });
    await run('mkfifo', [join(directory, file)]);
    const error = await t.throwsAsync(read(directory));
    t.true(error?.message.includes(`${file.split('/').at(-1)}" is not a regular file`), error?.message);
  });

test('a pipe in place of what is a hint only is as if the hint were not there', async (t) => {
  const directory = await temporaryDirectory(t);
  const history = join(directory, '00000002.history');
  await run('mkfifo', [history]);
  t.deepEqual(await readAncestors(history), []);

  const segment = join(directory, 'pg_wal', name);
  await mkdir(join(markerPath(segment), '..'), { recursive: true });
  await run('mkfifo', [`${markerPath(segment)}.busy`]);
  t.false(await isBusy(segment));
  await run('mkfifo', [join(directory, 'backup_label')]);
  t.is(await labelBeside({ meta: directory }), undefined);
  await run('mkfifo', [join(directory, 'owner')]);
  t.is(await readSpoolOwner(directory), undefined);

  // A reader of a backup locks its description.
  await run('mkfifo', [join(directory, 'backup.json')]);
  t.is(await withReaderLock(directory, () => Promise.resolve('read')), 'read');
  await rm(join(directory, 'backup.json'));
});
