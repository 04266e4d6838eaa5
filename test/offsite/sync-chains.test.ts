// What is sent off-site of chains, and in which order: no incremental copy is there before all that a restore of it reads.
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { BackupChains, linkName } from '../../src/repository/backup-chain.ts';
import { readCatalog } from '../../src/repository/catalog.ts';
import { segment, syncScene, type SyncScene } from '../support/sync-scene.ts';

const [monday, tuesday, wednesday, thursday] = [9, 10, 11, 12].map(
  (day) => `202603${String(day).padStart(2, '0')}T010000Z`,
) as [string, string, string, string];
const wal = (n: number) => `wal/0000000100000000/${segment(n)}.zst`;

/** The backups at the other end, and those of them that cannot be restored there. */
async function remote({ destination }: SyncScene) {
  const catalog = await readCatalog(destination);
  const chains = new BackupChains(catalog);
  const orphans = catalog.backups.filter((backup) => chains.of(backup).broken !== undefined);
  return { names: catalog.backups.map(linkName), orphans: orphans.map(linkName) };
}

const sent = async (scene: SyncScene) => (await scene.runs()).map(({ backup }) => backup);

test('the links of a chain are sent one after the other, the parent before its child', async (t) => {
  const scene = await syncScene(t);
  for (const n of [1, 2, 3]) await scene.archive(n);
  const full = await scene.storeBackup(monday, 1, 1);
  const first = await scene.storeBackup(tuesday, 2, 2, full);
  const second = await scene.storeBackup(wednesday, 3, 3, first);
  await scene.tell('fail');
  t.is((await scene.sync()).status, 1);
  t.deepEqual(await sent(scene), [monday]);
  await scene.untell('fail');
  t.is((await scene.sync()).status, 0);
  t.deepEqual(await sent(scene), [monday, monday, tuesday, wednesday]);
  t.deepEqual(await remote(scene), { names: [full, first, second], orphans: [] });
  t.is((await scene.sync()).stdout, 'main: nothing was unsent\n');
});

test('each link is found with all that it stands on, and no link is found before its parent was sent', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const full = await scene.storeBackup(monday, 1, 1);
  const first = await scene.storeBackup(tuesday, 2, 1, full);
  const second = await scene.storeBackup(wednesday, 3, 1, first);
  const found = async (name: string) =>
    (await readdir(join(scene.directory, 'sync', name, 'backups'))).sort();
  const withMeta = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]);
  await scene.tell('fail');
  await scene.sync();
  t.deepEqual(await found(full), withMeta([full]));
  await scene.untell('fail');
  await scene.sync();
  t.deepEqual(await found(second), withMeta([full, first, second]));
  t.deepEqual(
    (await readdir(join(scene.directory, 'sync'))).filter((name) => name.includes('Z-')),
    [second],
  );
});

test('a new link is sent by one run, and the WAL of the link before has no hole', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const full = await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  for (const n of [2, 3]) await scene.archive(n);
  const first = await scene.storeBackup(tuesday, 2, 3, full);
  t.is((await scene.sync()).status, 0);
  t.deepEqual(await sent(scene), [monday, monday, tuesday]);
  const second = await scene.storeBackup(wednesday, 3, 3, first);
  await scene.sync();
  t.deepEqual(await sent(scene), [monday, monday, tuesday, wednesday]);
  t.deepEqual(
    (await scene.remote()).filter((file) => file.startsWith('wal/')),
    [1, 2, 3].map(wal),
  );
  t.deepEqual(await remote(scene), { names: [full, first, second], orphans: [] });
});

test('where several links came while nothing could be sent, each is sent in its turn', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const full = await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  const first = await scene.storeBackup(tuesday, 2, 1, full);
  const second = await scene.storeBackup(wednesday, 3, 1, first);
  await scene.sync();
  t.deepEqual(await sent(scene), [monday, tuesday, wednesday]);
  t.deepEqual((await remote(scene)).names, [full, first, second]);
});

test('links that were lost at the other end come again with the next one', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const full = await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  const other = join(scene.destination, 'backups', full);
  await rename(other, `${scene.destination}/lost`);
  await scene.storeBackup(tuesday, 2, 1, full);
  await scene.sync();
  t.true((await readdir(other)).includes('base.tar.zst'));
});

test('an incremental copy whose chain is broken is not sent; the newest one that can be restored is', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const sound = await scene.storeBackup(monday, 1, 1);
  const full = await scene.storeBackup(tuesday, 2, 1);
  const first = await scene.storeBackup(wednesday, 3, 1, full);
  const place = join(scene.directory, 'backups', full);
  const aside = join(scene.repository, 'aside');
  await rename(place, aside);
  await rename(`${place}.meta`, `${aside}.meta`);
  t.is((await scene.sync()).status, 0);
  t.deepEqual(await remote(scene), { names: [sound], orphans: [] });
  await rename(`${aside}.meta`, `${place}.meta`);
  await rename(aside, place);
  await scene.sync();
  t.deepEqual(await remote(scene), { names: [sound, full, first], orphans: [] });
});

test('a new full copy is sent by itself, without the chain before it', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const full = await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  await scene.storeBackup(tuesday, 2, 1, full);
  const next = await scene.storeBackup(wednesday, 3, 1);
  const last = await scene.storeBackup(thursday, 4, 1, next);
  await scene.sync();
  t.deepEqual(await sent(scene), [monday, wednesday, thursday]);
  t.deepEqual((await remote(scene)).names, [full, next, last]);
});
