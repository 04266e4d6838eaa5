// Off-site sync of a repository on a file system without hard links, as strace plays it.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runProcess } from '../../dev/harness/children.ts';
import { segment, syncScene, type SyncScene } from '../support/sync-scene.ts';
import { noStrace } from '../support/system-calls.ts';
import { testWhen } from '../support/test-when.ts';
import { program } from '../support/programs.ts';

const test = testWhen(noStrace);
const monday = '20260309T010000Z';
const tuesday = '20260310T010000Z';
const noLinks = 'inject=link,linkat:error=EPERM';
const wal = (n: number) => `wal/0000000100000000/${segment(n)}.zst`;

async function sync({ env }: SyncScene, ...injected: string[]): Promise<string> {
  // Without the sync program, which would fail itself.
  const injections = injected.flatMap((one) => ['-e', one]);
  const options = ['-f', '-b', 'execve', '-qq', '-o', '/dev/null', ...injections];
  const { status, stdout, stderr } = await runProcess(
    'strace',
    [...options, process.execPath, program, 'sync'],
    { env: { ...process.env, ...env } },
  );
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

async function backupsSent(scene: SyncScene): Promise<string[]> {
  return (await scene.runs()).map(({ backup }) => backup);
}

test('a copy has the time of its source in whole milliseconds, is copied once, and counts as its source', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  const touched = await runProcess('touch', ['-d', '@1700000000.0165', join(scene.directory, wal(1))]);
  t.is(touched.status, 0, touched.stderr);
  const name = await scene.storeBackup(monday, 1, 1);
  await sync(scene, noLinks);
  const copy = join(scene.directory, 'sync', name, wal(1));
  const { ino, mtimeMs } = await stat(copy);
  // A file system that cuts off fractions of a microsecond could make less than half a millisecond of a half.
  t.true(Math.abs(mtimeMs - 1_700_000_000_017) < 0.001, String(mtimeMs));
  await scene.archive(2);
  t.regex(await sync(scene, noLinks), /^main: sent backup /);
  t.is((await stat(copy)).ino, ino);
  await scene.storeBackup(tuesday, 2, 2);
  await sync(scene, noLinks);
  t.deepEqual(await backupsSent(scene), [monday, monday, tuesday]);
});

for (const refusal of ['error=EPERM', 'error=ENOSYS', 'error=EOPNOTSUPP', 'retval=0'])
  test(`the newest backup is sent where a copy has no time of its source: ${refusal} of utimensat`, async (t) => {
    const scene = await syncScene(t);
    const injected = [noLinks, `inject=utimensat:${refusal}`];
    await scene.archive(1);
    await scene.storeBackup(monday, 1, 1);
    await sync(scene, ...injected);
    t.is(await sync(scene, ...injected), 'main: nothing was unsent\n');
    await scene.storeBackup(tuesday, 2, 1);
    await sync(scene, ...injected);
    t.deepEqual(await backupsSent(scene), [monday, tuesday]);
  });

test('what is sent is not copied where that would take from what is kept for WAL, and is linked all the same', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.storeBackup(monday, 1, 1);
  const narrow = { ...scene, env: { ...scene.env, HOLDFAST_WAL_RESERVE: '1000TB' } };
  await t.throwsAsync(sync(narrow, noLinks), {
    message: /no hard links, and \d+ MB are kept for WAL\n {2}hint: make room/,
  });
  t.deepEqual(await scene.runs(), []);
  await sync(narrow);
  t.deepEqual(await backupsSent(scene), [monday]);
});
