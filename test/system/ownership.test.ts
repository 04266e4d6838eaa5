// What root gives to the owner of a repository: what root has made there, and nothing that the owner has put there.
import {
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { AppendFile } from '../../src/backup/copy/append-file.ts';
import { TarOutput } from '../../src/backup/copy/tar-output.ts';
import { withScratch } from '../../src/drill/scratch.ts';
import { makeLock } from '../../src/repository/repository-owner.ts';
import { parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { createRepository } from '../../src/repository/repository-owner.ts';
import { UnfinishedBackup } from '../../src/repository/unfinished-backup.ts';
import { makeNewDirectory } from '../../src/system/held-directory.ts';
import { linkOrCopy } from '../../src/system/link-or-copy.ts';
import { describedBackup } from '../support/described-backup.ts';
import { drillDirectoryOf } from '../support/drills.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const onlyRoot = process.getuid?.() === 0 ? undefined : 'only root can give files away';
const test = testWhen(onlyRoot);
const uid = 65_534;

async function theirs(t: ExecutionContext): Promise<string> {
  const directory = await temporaryDirectory(t);
  await chown(directory, uid, uid);
  return directory;
}

/** A file that only root may read, moved to where the owner of the directory has put it. */
async function secretAt(t: ExecutionContext, path: string): Promise<void> {
  const secret = join(await temporaryDirectory(t), 'secret');
  await writeFile(secret, 'of root', { mode: 0o600 });
  await rename(secret, path);
}

const started = { id: 7, startedAt: '2026-01-01T02:03:04.567Z' };
const text = describedBackup({
  ...started,
  label: 'seven',
  systemIdentifier: '7',
  stoppedAt: '2026-01-01T02:04:04.567Z',
  startLsn: '0/2000028',
  startWal: '000000010000000000000002',
  stopLsn: '0/2000138',
  stopWal: '000000010000000000000002',
  walSegmentSize: 1 << 24,
});

test("a backup's files are its owner's as soon as they are made, and what its owner has put beside them is not given away", async (t) => {
  const cluster = await theirs(t);
  await createRepository(cluster);
  const unfinished = await UnfinishedBackup.create(cluster, started);
  t.teardown(() => unfinished.discard());
  const frames = new AppendFile(join(unfinished.directory, 'frames.jsonl'));
  const tar = new TarOutput(unfinished.directory, 'base.tar.zst');
  for (const name of ['frames.jsonl', 'base.tar.zst'])
    t.is((await lstat(join(unfinished.directory, name))).uid, uid, name);
  await frames.close();
  await tar.finish();
  await secretAt(t, join(unfinished.directory, 'backup_manifest'));

  const label = { label: Buffer.from('label\n'), tablespaceMap: null };
  const published = await unfinished.publish(parseRepositoryBackup('backup.json', text), label);
  t.is((await lstat(join(published, 'backup_manifest'))).uid, 0);
  const made = [
    '',
    '/base.tar.zst',
    '.meta',
    '.meta/frames.jsonl',
    '.meta/backup.json',
    '.meta/backup_label',
  ];
  for (const name of made) t.is((await lstat(`${published}${name}`)).uid, uid, name);
});

test('a lock is given away by whoever makes it, and another file in its place is not', async (t) => {
  const cluster = await theirs(t);
  await secretAt(t, join(cluster, 'owner.lock'));
  for (const name of ['owner.lock', 'another.lock']) await makeLock(join(cluster, name));
  t.is((await lstat(join(cluster, 'owner.lock'))).uid, 0);
  t.is((await lstat(join(cluster, 'another.lock'))).uid, uid);
});

test('a new directory is the one of its parent’s owner, and must not be there yet', async (t) => {
  const cluster = await theirs(t);
  await makeNewDirectory(join(cluster, 'new'));
  t.is((await lstat(join(cluster, 'new'))).uid, uid);
  for (const name of ['new', 'secret']) {
    if (name === 'secret') await mkdir(join(cluster, name));
    await t.throwsAsync(makeNewDirectory(join(cluster, name)), { code: 'EEXIST' });
  }
  t.is((await lstat(join(cluster, 'secret'))).uid, 0);
});

const isOneDisk =
  (existsSync('/dev/shm') ? statSync('/dev/shm').dev : undefined) === statSync('/var/tmp').dev;
testWhen(onlyRoot ?? (isOneDisk ? 'there is one file system only' : undefined))(
  'a file that only another user may read is not copied to where links cannot lead',
  async (t) => {
    const [from, to] = await Promise.all(
      ['/dev/shm', '/var/tmp'].map(async (disk) => {
        const directory = await mkdtemp(join(disk, 'holdfast-test-'));
        t.teardown(() => rm(directory, { recursive: true }));
        await chown(directory, uid, uid);
        return directory;
      }),
    );
    await writeFile(join(String(from), 'secret'), 'of root', { mode: 0o600 });
    await t.throwsAsync(linkOrCopy(join(String(from), 'secret'), join(String(to), 'copy')), {
      code: 'link_in_the_way',
    });
    await writeFile(join(String(from), 'segment'), 'theirs', { mode: 0o600 });
    await chown(join(String(from), 'segment'), uid, uid);
    await linkOrCopy(join(String(from), 'segment'), join(String(to), 'copy'));
    t.is(await readFile(join(String(to), 'copy'), 'utf8'), 'theirs');
    t.is((await lstat(join(String(to), 'copy'))).uid, uid);
  },
);

test('a drill gives away the directories that it has made, and none that a link leads to', async (t) => {
  const place = await drillDirectoryOf(t);
  await withScratch(place, { cluster: 'main', backup: 'a', expected: 1 }, async (scratch) => {
    const victim = await temporaryDirectory(t);
    await rename(scratch.directory, `${scratch.directory}.moved`);
    await mkdir(scratch.directory);
    await symlink(victim, scratch.sockets);
    await t.throwsAsync(scratch.giveTo({ uid, gid: uid }));
    t.is((await stat(victim)).uid, 0);

    await rm(scratch.directory, { recursive: true });
    await rename(`${scratch.directory}.moved`, scratch.directory);
    await scratch.giveTo({ uid, gid: uid });
    for (const path of [scratch.directory, scratch.sockets]) {
      const { uid: owner, mode } = await stat(path);
      t.deepEqual([owner, mode & 0o7777], [uid, 0o700]);
    }
    await scratch.remove();
  });
});
