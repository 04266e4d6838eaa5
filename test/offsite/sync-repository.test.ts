// "holdfast sync" without any database: what the program is run with, when it is run again, and what it finds.
import { link, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { findUnsent } from '../../src/offsite/find-unsent.ts';
import { syncRepository } from '../../src/offsite/sync-repository.ts';
import { eventually } from '../support/eventually.ts';
import { segment, syncScene, untilRunning } from '../support/sync-scene.ts';

const wal = (n: number) => `wal/0000000100000000/${segment(n)}.zst`;
const monday = '20260309T010000Z';
const tuesday = '20260310T010000Z';

test('the newest backup and its WAL are sent once, with the time of the backup and the present', async (t) => {
  const scene = await syncScene(t);
  for (const n of [1, 2, 3]) await scene.archive(n);
  const name = await scene.storeBackup(monday, 1, 2);
  const { status, stdout } = await scene.sync();
  t.is(status, 0);
  t.regex(stdout, /^main: sent backup 20260309T010000Z-1 and its WAL, 5 files, as of \d{8}T\d{6}Z\n$/);
  const [run, ...others] = await scene.runs();
  t.deepEqual(others, []);
  t.is(run?.backup, monday);
  t.regex(String(run?.present), /^\d{8}T\d{6}Z$/);
  t.deepEqual(await scene.remote(), [
    `backups/${name}.meta/backup.json`,
    `backups/${name}/base.tar.zst`,
    'cluster.json',
    wal(2),
    wal(3),
  ]);
  t.is((await scene.sync()).stdout, 'main: nothing was unsent\n');
  t.is((await scene.runs()).length, 1);
});

test('new WAL is sent under the same backup with a later time, and --force sends again as of the same', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  await scene.archive(2);
  await scene.sync();
  t.is((await scene.sync('--force')).status, 0);
  const [first, second, forced] = await scene.runs();
  t.is(second?.backup, monday);
  t.true(String(second?.present) > String(first?.present));
  t.deepEqual(forced, second);
  t.true((await scene.remote()).includes(wal(2)));
});

test('a failure is told, and the next attempt has the same times while nothing new has come', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.storeBackup(monday, 1, 1);
  await scene.tell('fail');
  for (const _ of [1, 2]) {
    const { status, stderr } = await scene.sync();
    t.is(status, 1);
    t.regex(
      stderr,
      /sync program ".*send" ended with 7: the other side is away\n {2}hint: read its whole output in/,
    );
  }
  const [first, second] = await scene.runs();
  t.deepEqual(first, second);
  await scene.archive(2);
  await scene.sync();
  await scene.untell('fail');
  t.is((await scene.sync()).status, 0);
  const [, , third, fourth] = await scene.runs();
  t.true(String(third?.present) > String(first?.present));
  t.is(fourth?.present, third?.present);
});

test('what comes while the program runs is sent by another run, and what it found stays as it was', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const name = await scene.storeBackup(monday, 1, 1);
  await scene.tell('wait');
  const syncing = await scene.startSync();
  await untilRunning(scene, 1);
  const found = join(scene.directory, 'sync', name);
  await rm(join(scene.directory, 'backups', name), { recursive: true });
  await rm(join(scene.directory, wal(1)));
  await scene.archive(2);
  t.is(await readFile(join(found, 'backups', name, 'base.tar.zst'), 'utf8'), `the files of ${name}`);
  t.true((await stat(join(found, wal(1)))).size > 0);
  await link(join(found, wal(1)), join(scene.directory, wal(1)));
  await mkdir(join(scene.directory, 'backups', name));
  await writeFile(join(scene.directory, 'backups', name, 'base.tar.zst'), `the files of ${name}`);
  await scene.untell('wait');
  t.is((await syncing.exited).status, 0);
  const [first, second, ...others] = await scene.runs();
  t.deepEqual(others, []);
  t.true(String(second?.present) > String(first?.present));
  t.true((await scene.remote()).includes(wal(2)));
});

test('the last WAL of the backup before is sent, too, before a new one: there is no hole', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const first = await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  for (const n of [2, 3, 4]) await scene.archive(n);
  await scene.storeBackup(tuesday, 2, 4);
  t.is((await scene.sync()).status, 0);
  t.deepEqual(
    (await scene.runs()).map(({ backup }) => backup),
    [monday, monday, tuesday],
  );
  t.deepEqual(
    (await scene.remote()).filter((file) => file.startsWith('wal/')),
    [1, 2, 3, 4].map(wal),
  );
  await t.throwsAsync(stat(join(scene.directory, 'sync', first)), { code: 'ENOENT' });
});

test('a backup that never got through does not keep the next one from being sent', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.storeBackup(monday, 1, 1);
  await scene.tell('fail');
  await scene.sync();
  await scene.storeBackup(tuesday, 2, 1);
  await scene.untell('fail');
  t.is((await scene.sync()).status, 0);
  t.deepEqual(
    (await scene.runs()).map(({ backup }) => backup),
    [monday, tuesday],
  );
});

test('without a backup in the repository the whole archive is sent', async (t) => {
  const scene = await syncScene(t);
  for (const n of [1, 2]) await scene.archive(n);
  t.regex((await scene.sync()).stdout, /^main: sent WAL, 3 files/);
  t.deepEqual(await scene.remote(), ['cluster.json', wal(1), wal(2)]);
  t.is((await scene.runs())[0]?.backup, 'none');
});

test('an empty repository has nothing to send', async (t) => {
  const scene = await syncScene(t);
  t.is((await scene.sync()).stdout, 'main: nothing was unsent\n');
  t.deepEqual(await scene.runs(), []);
});

test('two at a time are one after the other, and nothing is sent twice', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.tell('wait');
  const first = await scene.startSync();
  await untilRunning(scene, 1);
  const second = await scene.startSync();
  await scene.untell('wait');
  t.is((await first.exited).status, 0);
  t.is((await second.exited).status, 0);
  t.is((await scene.runs()).length, 1);
});

test('the program of one that was killed is never overtaken by a second one', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.tell('wait');
  const killed = await scene.startSync();
  await untilRunning(scene, 1);
  killed.kill('SIGKILL');
  await killed.exited;
  const next = await scene.startSync();
  // It has the lock of the killed one, and waits for the program.
  await eventually('the second attempt is recorded', async () => {
    const text = await readFile(join(scene.directory, 'sync.json'), 'utf8');
    return /"attempts": 2/.test(text);
  });
  t.is((await scene.runs()).length, 1);
  await scene.untell('wait');
  t.is((await next.exited).status, 0);
  const [first, second] = await scene.runs();
  t.deepEqual(second, first);
});

test('a program that hangs is ended when its time is up', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.tell('wait');
  scene.env['HOLDFAST_CLUSTER_MAIN_SYNC_TIMEOUT'] = '1s';
  const { status, stderr } = await scene.sync();
  t.is(status, 1);
  t.regex(stderr, /sync program ".*send" took longer than 1 s\n {2}hint: see why the program hangs/);
  await scene.untell('wait');
  t.is((await scene.sync()).status, 0);
});

test('a time is never given twice, even where the clock goes back', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.sync();
  const file = join(scene.directory, 'sync.json');
  const record = JSON.parse(await readFile(file, 'utf8')) as { sent: { present: string } };
  record.sent.present = '20990101T000000Z';
  await writeFile(file, JSON.stringify(record));
  await scene.archive(2);
  await scene.sync();
  t.is((await scene.runs()).at(-1)?.present, '20990101T000001Z');
});

test('a damaged record is said, and nothing is sent behind its back', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await writeFile(join(scene.directory, 'sync.json'), '{');
  const { status, stderr } = await scene.sync();
  t.is(status, 1);
  t.regex(stderr, /sync\.json" cannot be read: .*\n {2}hint: move that file away/);
});

test('a file that another one has replaced under its name is sent again, of the archive as of the backup', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const name = await scene.storeBackup(monday, 1, 1);
  await scene.sync();
  const [first] = await scene.runs();
  for (const file of [wal(1), `backups/${name}/base.tar.zst`]) {
    const path = join(scene.directory, file);
    const { atime, mtime, size } = await stat(path);
    // As large as the other one, as a good copy of a damaged segment is.
    await writeFile(`${path}.good`, 'x'.repeat(size));
    await utimes(`${path}.good`, atime, new Date(mtime.getTime() + 60_000));
    await rename(`${path}.good`, path);
    t.regex((await scene.sync()).stdout, /^main: sent backup /);
    t.is(await readFile(join(scene.destination, file), 'utf8'), 'x'.repeat(size));
    t.is((await scene.sync()).stdout, 'main: nothing was unsent\n');
  }
  const runs = await scene.runs();
  t.is(runs.length, 3);
  t.true(String(runs[1]?.present) > String(first?.present));
});

test('files that were overwritten in place are sent with the next one by a process that has listed them before', async (t) => {
  const scene = await syncScene(t);
  for (const n of [1, 2]) await scene.archive(n);
  const name = await scene.storeBackup(monday, 1, 1);
  const sync = () =>
    syncRepository({
      clusterDirectory: scene.directory,
      command: scene.command,
      timeout: 0,
      walReserve: 0,
      wait: undefined,
      force: false,
      signal: undefined,
      onSent: () => undefined,
    });
  t.is(await sync(), 1);
  // A listing is kept once the last change of the directory is some time ago.
  const longAgo = new Date('2026-01-01');
  for (const directory of [scene.directory, join(scene.directory, 'sync', name)])
    await utimes(join(directory, 'wal', '0000000100000000'), longAgo, longAgo);
  t.is(await findUnsent(scene.directory), undefined);
  for (const file of [wal(1), wal(2)]) {
    const path = join(scene.directory, file);
    const { size } = await stat(path);
    await writeFile(path, 'x'.repeat(size));
    await utimes(path, new Date('2026-01-02'), new Date('2026-01-02'));
  }
  await scene.archive(3);
  t.is(await sync(), 1);
  t.is(await findUnsent(scene.directory), undefined);
  for (const file of [wal(1), wal(2)]) t.regex(await readFile(join(scene.destination, file), 'utf8'), /^x+$/);
  t.true((await scene.remote()).includes(wal(3)));
  t.false((await readdir(join(scene.directory, 'sync'))).includes('unready'));
});
