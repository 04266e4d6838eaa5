// Root places a label into a directory of another user, who replaces the directory, one above it or a file in it while
// root works: at a moment that the test chooses, which is when the label is asked for.
import { renameSync, symlinkSync } from 'node:fs';
import {
  chown,
  lchown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { LabelledBackup } from '../../src/labels/labelled-backup.ts';
import { placeLabel } from '../../src/labels/place-label.ts';
import { makeDirectory, writeLabelFiles } from '../../src/labels/write-label.ts';
import { run } from '../../dev/embedded/run.ts';
import { backupAndCopy } from '../restore/real-backup.ts';
import { noServerFiles, sharedCluster } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(process.getuid?.() === 0 ? noServerFiles : 'only root writes for others');
const uid = 65_534;
const stopBefore = 1n << 60n;

/** A copy that belongs to another user, with the directory above it, and a directory of root's. */
async function scene(t: ExecutionContext) {
  const { backup, copy } = await backupAndCopy(t, await sharedCluster());
  const victim = join(await temporaryDirectory(t), 'copy');
  await mkdir(victim);
  const of = {
    PG_VERSION: '1\n',
    pg_control: 'of root\n',
    'postgresql.auto.conf': '# of root\n',
    'postmaster.pid': '1\n',
  };
  for (const [name, text] of Object.entries(of)) await writeFile(join(victim, name), text);
  for (const path of [dirname(copy), copy, join(copy, 'global')]) await chown(path, uid, uid);
  for (const name of ['PG_VERSION', 'global/pg_control']) await chown(join(copy, name), uid, uid);
  await writeFile(join(copy, 'postmaster.pid'), '');
  const untouched = async () => {
    t.deepEqual((await readdir(victim)).sort(), Object.keys(of).sort());
    for (const [name, text] of Object.entries(of)) {
      t.is(await readFile(join(victim, name), 'utf8'), text);
      t.is((await stat(join(victim, name))).uid, 0);
    }
  };
  return { backup, copy, victim, untouched };
}

/** Calls `attack` when the label is asked for the first time: the copy has been looked at, and nothing is written. */
function attackedAt<T extends Pick<LabelledBackup, 'label'>>(of: T, attack: () => void): T {
  const { label } = of;
  let isOver = false;
  return Object.defineProperty({ ...of }, 'label', {
    get() {
      if (!isOver) attack();
      isOver = true;
      return label;
    },
  });
}

const replaced: Record<string, (copy: string, victim: string) => void> = {
  'the data directory': (copy, victim) => {
    renameSync(copy, `${copy}.moved`);
    symlinkSync(victim, copy);
  },
  'a directory above it': (copy, victim) => {
    renameSync(dirname(copy), `${dirname(copy)}.moved`);
    symlinkSync(dirname(victim), dirname(copy));
  },
};

for (const [what, replace] of Object.entries(replaced))
  test(`a link in the place of ${what}, put there while root works, leads root nowhere`, async (t) => {
    const { backup, copy, victim, untouched } = await scene(t);
    t.teardown(() => rm(`${dirname(copy)}.moved`, { recursive: true, force: true }));
    const attacked = attackedAt(backup, () => replace(copy, victim));
    const error = await t.throwsAsync(placeLabel(attacked, copy, { stopBefore }));
    await untouched();
    t.like(error, { code: 'link_in_the_way' });
    t.true(
      error?.message.startsWith(`"${copy}" was moved away or replaced while it was in use`),
      error?.message,
    );
  });

test('a link in the place of "global", or of a file that is looked at, is not followed', async (t) => {
  for (const name of ['global', 'PG_VERSION', 'global/pg_control']) {
    const { backup, copy, victim, untouched } = await scene(t);
    await rm(join(copy, name), { recursive: true });
    await symlink(name === 'global' ? victim : join(victim, 'pg_control'), join(copy, name));
    await lchown(join(copy, name), uid, uid);
    await t.throwsAsync(placeLabel(backup, copy), { code: 'not_a_data_directory' }, name);
    await untouched();
  }
});

test('a pipe in the place of a file that is looked at holds up nobody', async (t) => {
  for (const name of ['PG_VERSION', 'global/pg_control', 'backup_label', 'postmaster.pid']) {
    const { backup, copy } = await scene(t);
    await rm(join(copy, name), { force: true });
    await run('mkfifo', [join(copy, name)]);
    const error = await t.throwsAsync(placeLabel(backup, copy), undefined, name);
    t.regex(error.message, /is not a regular file/, name);
  }
});

test('a file that only root may read is not given away as a postgresql.auto.conf', async (t) => {
  const { backup, copy, untouched } = await scene(t);
  const secret = join(copy, 'postgresql.auto.conf');
  await writeFile(secret, 'password of root\n', { mode: 0o600 });
  const error = await t.throwsAsync(placeLabel(backup, copy, { stopBefore }), { code: 'link_in_the_way' });
  t.true(error?.message.includes(`"${secret}"`), error?.message);
  t.is((await stat(secret)).uid, 0);
  t.is(await readFile(secret, 'utf8'), 'password of root\n');
  t.false((await readdir(copy)).includes('backup_label'));
  await untouched();
});

test('what root places belongs to the owner of the directory, and nothing else is left', async (t) => {
  const { backup, copy } = await scene(t);
  await writeFile(join(copy, 'postgresql.auto.conf'), '# of its owner\n');
  await chown(join(copy, 'postgresql.auto.conf'), uid, uid);
  const { files, removed } = await placeLabel(backup, copy, { stopBefore });
  t.deepEqual([files, removed], [[join(copy, 'backup_label')], join(copy, 'postmaster.pid')]);
  const written = ['backup_label', 'postgresql.auto.conf', 'recovery.signal'];
  t.deepEqual((await readdir(copy)).sort(), ['PG_VERSION', 'backup_label', 'global', ...written.slice(1)]);
  for (const name of written) t.is((await stat(join(copy, name))).uid, uid, name);
  t.regex(
    await readFile(join(copy, 'postgresql.auto.conf'), 'utf8'),
    /^# of its owner\n[^]*recovery_target_lsn/,
  );
});

test('a label that root writes goes where the path led at first, or nowhere', async (t) => {
  const above = await temporaryDirectory(t);
  await chown(above, uid, uid);
  const victim = await temporaryDirectory(t);
  const to = join(above, 'label');
  await makeDirectory(to);
  const files = attackedAt({ label: Buffer.from('label'), tablespaceMap: Buffer.from('1 /x\n') }, () => {
    renameSync(to, `${to}.moved`);
    symlinkSync(victim, to);
  });
  await t.throwsAsync(writeLabelFiles(to, files), { code: 'link_in_the_way' });
  t.deepEqual(await readdir(victim), []);

  await rm(above, { recursive: true });
  await mkdir(above);
  await chown(above, uid, uid);
  await rename(above, `${above}.moved`);
  t.teardown(() => rm(`${above}.moved`, { recursive: true, force: true }));
  await symlink(victim, above);
  await lchown(above, uid, uid);
  await t.throwsAsync(makeDirectory(to), { code: 'link_in_the_way' });
  t.deepEqual(await readdir(victim), []);
});
