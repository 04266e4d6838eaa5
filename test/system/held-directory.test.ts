import { chown, lchown, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { stageFiles } from '../../src/offsite/sync-content.ts';
import { writeSyncRecord } from '../../src/offsite/sync-record.ts';
import { writeAcceptedTime } from '../../src/repository/accepted-time.ts';
import { claimRepository } from '../../src/repository/cluster-identity.ts';
import { forgetBackup, removeFiles, unlistBackup } from '../../src/repository/expired-backup.ts';
import { holdDirectory, makeDurableDirectory, within } from '../../src/system/held-directory.ts';
import { withLock } from '../../src/system/file-lock.ts';
import { placeTemporary, writeAside } from '../../src/repository/place-file.ts';
import {
  createRepository,
  ownerLock,
  readOwner,
  replaceOwner,
} from '../../src/repository/repository-owner.ts';
import { writeHold } from '../../src/repository/stored-holds.ts';
import { removeLeftover, UnfinishedBackup } from '../../src/repository/unfinished-backup.ts';
import { archivedPath, removeArchived, writingDirectory } from '../../src/repository/wal-archive.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(
  process.getuid?.() === 0 ? undefined : 'only root writes in the repositories of others',
);

const uid = 65_534;
const backup = { name: '20260101T020304Z-7', method: 'copy', systemIdentifier: '7', startLsn: '0/2000028' };
const hold = {
  kind: 'hold',
  reason: 'x',
  by: 'a',
  login: 'a',
  at: '2026-01-01T00:00:00.000000Z',
  origin: 'o',
  systemIdentifier: '7',
  startLsn: '0/2000028',
} as const;
const segment = '000000010000000000000002';

/** A repository of that user's, beside a directory of root's. */
async function scene(t: ExecutionContext) {
  const root = await temporaryDirectory(t);
  const cluster = join(root, 'repository', 'main');
  const victim = join(root, 'victim');
  await mkdir(cluster, { recursive: true });
  await mkdir(victim);
  await chown(dirname(cluster), uid, uid);
  await chown(cluster, uid, uid);
  await createRepository(cluster);
  const lead = async (name: string, to = victim) => {
    await mkdir(dirname(join(cluster, name)), { recursive: true });
    for (let at = dirname(join(cluster, name)); at !== cluster; at = dirname(at)) await chown(at, uid, uid);
    await symlink(to, join(cluster, name));
    await lchown(join(cluster, name), uid, uid);
  };
  return { root, cluster, victim, lead };
}

async function placeSegment(cluster: string): Promise<boolean> {
  const path = archivedPath(cluster, segment);
  const place = { path, temporaries: writingDirectory(cluster), clusterDirectory: cluster };
  return placeTemporary(await writeAside(place, (file) => file.writeFile('wal')), path);
}

const started = { id: 7, startedAt: '2026-01-01T02:03:04.567Z' };
const writes: Record<string, [link: string, write: (cluster: string) => Promise<unknown>]> = {
  'a hold': [`backups/${backup.name}.meta/holds`, (cluster) => writeHold(cluster, backup, hold)],
  'a hold of a backup elsewhere': [
    'elsewhere',
    (cluster) => writeHold(cluster, { ...backup, method: 'hold' }, hold),
  ],
  'a backup': ['backups', (cluster) => UnfinishedBackup.create(cluster, started)],
  WAL: ['wal', placeSegment],
  'WAL that is being written': ['wal/.writing', placeSegment],
  'what is sent': ['sync', (cluster) => stageFiles(cluster, { backup: null, links: [], from: null }, 0)],
  'a lock': ['owner.lock', (cluster) => ownerLock(cluster)],
};

for (const [what, [link, write]] of Object.entries(writes))
  test(`root writes ${what} into no directory of its own, where a link of the repository's owner leads`, async (t) => {
    const { cluster, victim, lead } = await scene(t);
    await writeFile(join(cluster, 'cluster.json'), '{}');
    await lead(link, link === 'owner.lock' ? join(victim, 'ld.so.preload') : victim);
    await t.throwsAsync(write(cluster), { code: 'link_in_the_way' });
    t.deepEqual(await readdir(victim), []);
  });

const removals: Record<string, [link: string, file: string, remove: (cluster: string) => Promise<unknown>]> =
  {
    'a backup': ['backups', `${backup.name}.expired/x`, (cluster) => removeFiles(cluster, backup.name)],
    'what is beside a backup': [
      'backups',
      `${backup.name}.meta.expired/x`,
      (cluster) => forgetBackup(cluster, backup.name),
    ],
    'a backup from its list': [
      `backups/${backup.name}.meta`,
      'expiry.json',
      async (cluster) => {
        await unlistBackup(cluster, backup.name, {});
      },
    ],
    'an unfinished backup': [
      'backups',
      `${backup.name}.partial/x`,
      (cluster) => removeLeftover(cluster, { id: 7, name: backup.name, writerIsGone: true }),
    ],
    WAL: [`wal/${segment.slice(0, 16)}`, `${segment}.zst`, (cluster) => removeArchived(cluster, [segment])],
  };

for (const [what, [link, file, remove]] of Object.entries(removals))
  test(`root removes ${what} from no directory of its own, where a link of the repository's owner leads`, async (t) => {
    const { cluster, victim, lead } = await scene(t);
    await mkdir(dirname(join(victim, file)), { recursive: true });
    await writeFile(join(victim, file), 'of root');
    await lead(link);
    await t.throwsAsync(remove(cluster), { code: 'link_in_the_way' });
    t.is(await readFile(join(victim, file), 'utf8'), 'of root');
  });

test('root replaces files of a repository for its owner, and locks them, where links lead to what is his', async (t) => {
  const { root, cluster, lead } = await scene(t);
  const disk = join(root, 'disk');
  await mkdir(disk);
  await chown(disk, uid, uid);
  await lead('wal', disk);
  await symlink(cluster, join(root, 'by-link'));
  const byLink = join(root, 'by-link');

  await claimRepository(byLink, { systemIdentifier: '7', walSegmentSize: 1 });
  const owner = await readOwner(byLink);
  if (owner === undefined) return t.fail('there is no owner');
  await withLock(await ownerLock(byLink), { shared: false, wait: 0 }, () =>
    replaceOwner(byLink, { ...owner, token: 't' }),
  );
  await writeAcceptedTime(byLink, new Date());
  await writeSyncRecord(byLink, { version: 1 });
  const path = archivedPath(byLink, segment);
  t.true(await placeSegment(byLink));
  t.is((await readOwner(cluster))?.token, 't');
  const made = ['owner.json', 'owner.lock', 'cluster.json', 'clock.json', 'sync.json'];
  const paths = [...made.map((name) => join(cluster, name)), path, dirname(path), join(disk, '.writing')];
  t.deepEqual(
    await Promise.all(paths.map(async (one) => (await stat(one)).uid)),
    paths.map(() => uid),
  );
  t.is(await removeArchived(byLink, [segment]), 3);
});

test('a directory that is held stays the one that was judged, whatever takes its place', async (t) => {
  const { cluster, victim, lead } = await scene(t);
  const leases = join(cluster, 'leases');
  await makeDurableDirectory(leases);
  t.is((await stat(leases)).uid, uid);
  await within(leases, async (at) => {
    await rename(leases, join(cluster, 'away'));
    await lead('leases');
    await writeFile(join(at, 'x'), '');
  });
  t.deepEqual([await readdir(victim), await readdir(join(cluster, 'away'))], [[], ['x']]);

  const held = await holdDirectory(join(cluster, 'away'));
  await makeDurableDirectory(join(held.at, 'a', 'b'));
  await held.release();
  t.is((await stat(join(cluster, 'away', 'a', 'b'))).uid, uid);
});

test('an error in a directory that is held names it by its path', async (t) => {
  const { cluster } = await scene(t);
  const error = await t.throwsAsync(within(cluster, (at) => readFile(join(at, 'none'))));
  t.true(error?.message.includes(`'${join(cluster, 'none')}'`), error?.message);
});
