// What the catalog makes of a repository in which backups are finished, unfinished, damaged or being removed.
import { mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { labelIn } from '../../src/labels/find-label.ts';
import { findInRepository, resolveBackup } from '../../src/recovery/resolve-backup.ts';
import {
  backupAt,
  findBackupEntries,
  listedNames,
  readAllBackups,
  readCatalog,
  requireCatalog,
} from '../../src/repository/catalog.ts';
import {
  forgetBackup,
  removeFiles,
  unlistBackup,
  unlistedBackups,
} from '../../src/repository/expired-backup.ts';
import { findLeftovers } from '../../src/repository/unfinished-backup.ts';
import { describedBackup } from '../support/described-backup.ts';
import { holdOpening } from '../support/held-opening.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A finished backup with nothing in it; returns its directory. */
async function finished(cluster: string, id: number): Promise<string> {
  const day = String(id).padStart(2, '0');
  const directory = join(cluster, 'backups', `202601${day}T000000Z-${id}`);
  await mkdir(directory, { recursive: true });
  await mkdir(`${directory}.meta`);
  const description = describedBackup({
    id,
    label: `of day ${id}`,
    systemIdentifier: '7000000000000000001',
    startedAt: `2026-01-${day}T00:00:00.000Z`,
    stoppedAt: `2026-01-${day}T01:00:00.000Z`,
    startLsn: '0/2000028',
    startWal: '000000010000000000000002',
    stopLsn: '0/2000138',
    stopWal: '000000010000000000000002',
    walSegmentSize: 16_777_216,
  });
  await writeFile(join(`${directory}.meta`, 'backup.json'), description);
  await writeFile(join(`${directory}.meta`, 'backup_label'), 'LABEL: of no backup\n');
  return directory;
}

/** A cluster with backups 1 to 3, of which `spoil` damages the second. */
async function spoilt(t: ExecutionContext, spoil: (directory: string) => Promise<unknown>) {
  const repository = await temporaryDirectory(t);
  const cluster = join(repository, 'main');
  const directories = [];
  for (const id of [1, 2, 3]) directories.push(await finished(cluster, id));
  const [, second = ''] = directories;
  await spoil(second);
  return { repository, cluster, second, name: basename(second) };
}

const damages: Record<string, [(directory: string) => Promise<unknown>, RegExp]> = {
  'backup.json is cut off': [
    (directory) => truncate(join(`${directory}.meta`, 'backup.json'), 100),
    /backup\.json" is not JSON/,
  ],
  'backup.json is missing': [
    (directory) => rm(join(`${directory}.meta`, 'backup.json')),
    /backup\.json" is missing$/,
  ],
  'the .meta directory is missing': [
    (directory) => rm(`${directory}.meta`, { recursive: true }),
    /Z-2\.meta" is missing$/,
  ],
};

for (const [what, [spoil, message]] of Object.entries(damages)) {
  test(`a backup is damaged where ${what}, and hides no other backup`, async (t) => {
    const { cluster, name } = await spoilt(t, spoil);
    const { backups, damaged } = await readCatalog(cluster);
    t.deepEqual(
      backups.map(({ description }) => description.id),
      [1, 3],
    );
    t.like(damaged, [{ name, error: { code: 'backup_damaged' } }]);
    t.regex(String(damaged[0]?.problem), message);
    await t.throwsAsync(readAllBackups(cluster), { code: 'backup_damaged', message });
    for (const which of ['2', name])
      await t.throwsAsync(findInRepository(cluster, which), { code: 'backup_damaged', message });
  });
}

test('a cut off backup.json of the repository is damage of the backup, by its path and for its label, too', async (t) => {
  const { repository, second } = await spoilt(t, (directory) =>
    truncate(join(`${directory}.meta`, 'backup.json'), 100),
  );
  const damaged = { code: 'backup_damaged', message: /backup\.json" is not JSON/ };
  await t.throwsAsync(backupAt(second), damaged);
  const [entry = ''] = await findBackupEntries(repository, 2, undefined);
  t.is(entry, `${second}.meta`);
  await t.throwsAsync(labelIn(second), damaged);
  await t.throwsAsync(labelIn(entry), damaged);
});

test('a restore that finds no backup for its target names those that are damaged, alone or among others', async (t) => {
  const { cluster: clusterDirectory, second } = await spoilt(t, () => Promise.resolve());
  const question = {
    clusterDirectory,
    which: undefined,
    timeline: 'latest',
    despiteMissingWal: false,
  } as const;
  const target = { kind: 'lsn', lsn: 0x2000100n, exclusive: false } as const;
  const refused = () =>
    t.throwsAsync(resolveBackup({ ...question, target }), { code: 'no_backup_for_target' });
  const spoil = (directory: string) => truncate(join(`${directory}.meta`, 'backup.json'), 100);
  await spoil(second);
  const named = `"${second}.meta/backup.json" `;
  t.true((await refused()).message.startsWith('no backup can reach this target; backup 1 is the oldest'));
  t.true((await refused()).message.includes(`; ${named}`));
  for (const id of ['01', '03'])
    await rm(join(clusterDirectory, 'backups', `202601${id}T000000Z-${Number(id)}`), { recursive: true });
  const alone = await refused();
  t.true(alone.message.startsWith(`the repository has no backup of this cluster; ${named}`), alone.message);
  t.regex(
    String((alone as { hint?: string }).hint),
    /^put back what is damaged, from a copy of the repository; or /,
  );
});

test('a backup that is being removed is in the catalog by its name only, and found by its names', async (t) => {
  const { repository, cluster, name } = await spoilt(t, (directory) =>
    rename(`${directory}.meta`, `${directory}.meta.expired`),
  );
  const { backups, damaged, expiring } = await readCatalog(cluster);
  t.deepEqual([backups.length, damaged.length, expiring], [2, 0, [name]]);
  t.false((await listedNames(cluster)).includes(name));
  t.deepEqual(await findBackupEntries(repository, 2, 'main'), []);
  t.like(await unlistedBackups(cluster), [{ name, isWhole: false }]);
  t.deepEqual(await findLeftovers(cluster), []);
});

test.serial('a backup that an expiry removes after its name was read is not damaged', async (t) => {
  const cluster = join(await temporaryDirectory(t), 'main');
  const first = await finished(cluster, 1);
  const second = await finished(cluster, 2);
  const held = holdOpening(t, join(`${first}.meta`, 'backup.json'));
  const reading = readCatalog(cluster);
  await held.wanted;
  await unlistBackup(cluster, basename(second), {});
  await removeFiles(cluster, basename(second));
  await forgetBackup(cluster, basename(second));
  held.release();
  const { backups, damaged, expiring } = await reading;
  t.deepEqual([damaged, expiring], [[], [basename(second)]]);
  t.deepEqual(
    backups.map(({ description }) => description.id),
    [1],
  );
});

test('what is no backup is none', async (t) => {
  const { cluster } = await spoilt(t, async (directory) => {
    const names = [
      '20260104T000000Z-4.partial',
      '20260105T000000Z-5x',
      'latest',
      '20260106T000000Z-6.meta.old',
    ];
    for (const name of names) await mkdir(join(directory, '..', name));
  });
  t.is((await requireCatalog(cluster)).backups.length, 3);
  t.is((await listedNames(cluster)).length, 3);
  t.like(await findLeftovers(cluster), [{ id: 4 }]);
  await t.throwsAsync(requireCatalog(join(cluster, 'nowhere')), { code: 'no_repository' });
});
