// Root types "wal push" or "wal fetch", for a server and a repository of another user.
import {
  chown,
  lchown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { leaseFile } from '../../src/repository/lease-file.ts';
import { renewLease } from '../../src/repository/renew-lease.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { segment1, standInFor, walScene, type Scene } from '../support/wal.ts';

const test = testWhen(process.getuid?.() === 0 ? undefined : 'only root works for others');
const uid = 65_534;
const segment2 = '000000010000000000000002';
const long = new Date(Date.now() - 7_200_000);

interface Attacked extends Scene {
  /** A directory of root's. */
  victim: string;
  /** Has the owner of a directory replace it by a link to the victim. */
  lead: (path: string) => Promise<void>;
}

async function scene(t: ExecutionContext): Promise<Attacked> {
  const of = await walScene(t);
  const victim = await temporaryDirectory(t);
  for (const segment of [segment1, segment2]) await of.wal(segment);
  t.is((await of.push(segment1)).status, 0);
  await chown(of.dataDirectory, uid, uid);
  return {
    ...of,
    victim,
    async lead(path) {
      await chown(dirname(path), uid, uid);
      await rm(path, { recursive: true, force: true });
      await symlink(victim, path);
      await lchown(path, uid, uid);
    },
  };
}

test('a push removes temporary files from no directory that a link leads to', async (t) => {
  const it = await scene(t);
  const { repository, lead, victim } = it;
  const notes = join(victim, 'notes~');
  await writeFile(notes, 'of root');
  await utimes(notes, long, long);
  await lead(join(repository, 'main', 'wal', '.writing'));
  const { status, stderr } = await it.push(segment2);
  t.is(status, 1);
  t.regex(stderr, /the symbolic link "\.writing" in it is in the hands of user 65534/);
  t.is(await readFile(notes, 'utf8'), 'of root');
});

test('a push removes no spool of a server of another user', async (t) => {
  const it = await scene(t);
  const spool = join(it.dataDirectory, 'pg_wal', 'pgsql_tmp.holdfast.fetch');
  await mkdir(spool);
  await writeFile(join(spool, 'of somebody'), '');
  t.is((await it.push(segment2)).status, 0);
  t.deepEqual(await readdir(spool), ['of somebody']);
});

test('a fetch writes into no directory that a link leads to', async (t) => {
  const it = await scene(t);
  const { dataDirectory, lead, victim } = it;
  await lead(join(dataDirectory, 'pg_wal'));
  const { status, stderr } = await it.fetch(segment1);
  t.is(status, 200);
  t.regex(stderr, /the symbolic link "pg_wal" in it is in the hands of user 65534/);
  t.deepEqual(await readdir(victim), []);
});

test('a fetch makes no spool for a server of another user', async (t) => {
  const it = await scene(t);
  const { dataDirectory } = it;
  await writeFile(join(dataDirectory, 'recovery.signal'), '');
  await standInFor(t, dataDirectory);
  const { status, stderr } = await it.fetch(segment1);
  t.is(status, 0, stderr);
  const names = await readdir(join(dataDirectory, 'pg_wal'));
  t.deepEqual(names.sort(), [segment1, segment2, 'RECOVERYXLOG'].sort());
});

test('a lease is renewed in no directory that a link leads to', async (t) => {
  const { repository, dataDirectory, lead, victim } = await scene(t);
  const name = '0123456789abcdef-20260101T020304Z-7';
  const directory = join(repository, 'main');
  const file = join(victim, `${name}.json`);
  await writeFile(file, 'of root');
  await utimes(file, long, long);
  await lead(dirname(leaseFile(directory, name)));
  await renewLease(directory, name, dataDirectory);
  t.is((await stat(file)).mtimeMs, long.getTime());
});
