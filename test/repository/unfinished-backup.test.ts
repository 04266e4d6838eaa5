import {
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AppendFile } from '../../src/backup/copy/append-file.ts';
import type { HoldfastError } from '../../src/errors.ts';
import { readAllBackups, readCatalog } from '../../src/repository/catalog.ts';
import { findRecorded } from '../../src/repository/recorded-backup.ts';
import {
  formatRepositoryBackup,
  parseRepositoryBackup,
  type RepositoryBackup,
} from '../../src/repository/repository-backup.ts';
import { createRepository } from '../../src/repository/repository-owner.ts';
import { findLeftovers, removeLeftover, UnfinishedBackup } from '../../src/repository/unfinished-backup.ts';
import { thisProcess, type ProcessIdentity } from '../../src/system/process-identity.ts';
import { runProcess, startProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { program } from '../support/programs.ts';

const backup: RepositoryBackup = {
  version: 1,
  method: 'copy',
  id: 7,
  cluster: 'main',
  label: 'nightly',
  serverVersion: '18.4',
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  startedAt: '2026-01-01T02:03:04.567Z',
  stoppedAt: '2026-01-01T02:04:04.567Z',
  startLsn: '0/2000028',
  startWal: '000000010000000000000002',
  stopLsn: '0/2000138',
  stopWal: '000000010000000000000002',
  dataDirectory: '/data',
  blockSize: 8192,
  walSegmentSize: 16_777_216,
  relationSegmentBlocks: 131_072,
  checksums: true,
  compressLevel: 1,
  bytes: 10,
  storedBytes: 5,
  files: 1,
  tablespaces: [],
  tars: [{ name: 'base.tar.zst', bytes: 5, size: 10, frames: 1 }],
  damagedPages: [],
  manifestCrc32c: 1,
  framesCrc32c: 2,
};
const name = '20260101T020304Z-7';
const label = { label: Buffer.from('label\n'), tablespaceMap: null };

async function written(t: ExecutionContext, directory?: string) {
  const cluster = directory ?? (await temporaryDirectory(t));
  await createRepository(cluster);
  const unfinished = await UnfinishedBackup.create(cluster, backup);
  t.teardown(() => unfinished.discard());
  for (const [file, text] of [
    ['base.tar.zst', 'tar'],
    ['frames.jsonl', '{}\n'],
  ] as const) {
    const output = new AppendFile(join(unfinished.directory, file));
    output.append(text);
    await output.close();
  }
  return { cluster, unfinished, names: async () => (await readdir(join(cluster, 'backups'))).sort() };
}

test('until it is published nobody lists it; then it is there, with all that is known, and the latest', async (t) => {
  const { cluster, unfinished, names } = await written(t);
  t.deepEqual(await readCatalog(cluster), { backups: [], damaged: [], expiring: [] });
  const directory = await unfinished.publish(backup, { ...label, tablespaceMap: Buffer.from('1 /x\n') });
  t.deepEqual(await names(), [name, `${name}.meta`]);
  t.deepEqual(await readdir(directory), ['base.tar.zst']);
  t.deepEqual((await readdir(`${directory}.meta`)).sort(), [
    'backup.json',
    'backup_label',
    'frames.jsonl',
    'tablespace_map',
  ]);
  t.is(await readlink(join(cluster, 'latest')), `backups/${name}`);
  t.deepEqual(await readCatalog(cluster), {
    backups: [{ description: backup, directory, meta: `${directory}.meta` }],
    damaged: [],
    expiring: [],
  });
  const recorded = { ...backup, backupLabel: null };
  t.deepEqual((await findRecorded(cluster, recorded))?.description, backup);
  t.is(await findRecorded(cluster, { ...recorded, startLsn: '0/3000028' }), undefined);
  t.is(await readFile(join(cluster, 'latest.meta'), 'utf8').catch(() => 'none'), 'none');
});

test('where "latest" cannot be named the backup is published all the same, and nothing is left of the attempt', async (t) => {
  const { cluster, unfinished, names } = await written(t);
  await mkdir(join(cluster, 'latest', 'in the way'), { recursive: true });
  const warnings: string[] = [];
  await unfinished.publish(backup, label, (text) => warnings.push(text));
  t.is(warnings.length, 1);
  t.regex(String(warnings[0]), /^"latest" in the repository does not name the backup: E/);
  t.deepEqual(await names(), [name, `${name}.meta`]);
  t.deepEqual((await readdir(cluster)).sort(), ['backups', 'latest', 'owner.json']);
});

const asRoot = testWhen(process.getuid?.() === 0 ? undefined : 'only root can give files away');

asRoot(
  'what root publishes belongs to the owner of the repository, as does what it has not finished',
  async (t) => {
    const cluster = await temporaryDirectory(t);
    await chown(cluster, 12_345, 12_346);
    const { unfinished } = await written(t, cluster);
    const ownersOf = async (directory: string, names: string[]) =>
      Promise.all(names.map(async (one) => (await lstat(join(directory, one))).uid));
    // So the owner can remove it should root's process be killed.
    t.deepEqual(
      await ownersOf(cluster, ['backups', `backups/${name}.partial`, `backups/${name}.owner`]),
      [12_345, 12_345, 12_345],
    );
    await unfinished.publish(backup, label);
    const names = await readdir(join(cluster, 'backups'), { recursive: true });
    t.is(names.length, 6);
    for (const uid of await ownersOf(join(cluster, 'backups'), names)) t.is(uid, 12_345);
  },
);

asRoot(
  'what cannot be read is a backup nevertheless, and the error names whose it is and what to type',
  async (t) => {
    const repository = await temporaryDirectory(t);
    const cluster = join(repository, 'main');
    await mkdir(cluster);
    for (const directory of [repository, cluster]) await chown(directory, 12_345, 12_345);
    const { unfinished } = await written(t, cluster);
    const meta = `${await unfinished.publish(backup, label)}.meta`;
    await chown(meta, 0, 0);
    const args = [program, 'verify', '7', '--no-record', '--repository', repository];
    const { status, stderr } = await runProcess(process.execPath, args, { as: { uid: 12_345, gid: 12_345 } });
    t.is(status, 1);
    t.true(stderr.includes(`"${join(meta, 'backup.json')}" cannot be read: EACCES`), stderr);
    t.true(
      stderr.includes(`run this as user root, to whom "${meta}" belongs, or type as root: chown -R `),
      stderr,
    );
    t.true(stderr.includes(`chown -R 12345 '${meta}'`), stderr);
  },
);

test('discarding removes all of it, and nothing of a backup that is listed', async (t) => {
  const { unfinished, names } = await written(t);
  await unfinished.discard();
  t.deepEqual(await names(), []);
  const other = await written(t);
  await other.unfinished.publish(backup, label);
  await other.unfinished.discard();
  t.deepEqual(await other.names(), [name, `${name}.meta`]);
});

test('the same backup is not begun twice', async (t) => {
  const { cluster } = await written(t);
  await t.throwsAsync(UnfinishedBackup.create(cluster, backup), { code: 'repository_unwritable' });
});

test('what a living process writes is not abandoned; what one that is gone left is', async (t) => {
  const { cluster, names } = await written(t);
  const [own] = await findLeftovers(cluster);
  t.deepEqual(own, { id: 7, name, writerIsGone: false });
  const owner = join(cluster, 'backups', `${name}.owner`);
  const now = JSON.parse(await readFile(owner, 'utf8')) as ProcessIdentity;
  const isGone = async (text: string) => {
    await writeFile(owner, text);
    return (await findLeftovers(cluster))[0]?.writerIsGone;
  };
  t.deepEqual(now, thisProcess());
  t.false(await isGone(JSON.stringify(now)));
  t.true(await isGone(JSON.stringify({ ...now, startedAt: '1' })), 'another process of that number');
  t.true(await isGone(JSON.stringify({ ...now, pid: 2 ** 22 + 1 })));
  for (const unseen of [
    { ...now, pidNamespace: 'pid:[1]', pid: 2 ** 22 + 1 },
    { ...now, boot: 'earlier' },
  ])
    t.false(await isGone(JSON.stringify(unseen)), 'nobody can tell from here');
  await removeLeftover(cluster, { id: 7, name, writerIsGone: true });
  t.deepEqual(await names(), []);
});

for (const [what, text] of [
  ['in another pid namespace', JSON.stringify({ ...thisProcess(), pidNamespace: 'pid:[1]' })],
  ['before a reboot', JSON.stringify({ ...thisProcess(), boot: 'earlier' })],
  ['whose name was cut off by a crash', '{"host":'],
]) {
  test(`a writer ${what} is gone when nobody has its lock and nothing was written for an hour`, async (t) => {
    const cluster = await temporaryDirectory(t);
    const place = join(cluster, 'backups', name);
    await mkdir(`${place}.partial`, { recursive: true });
    await writeFile(join(`${place}.partial`, 'base.tar.zst'), 'tar');
    await writeFile(`${place}.owner`, String(text));
    const isGone = async () => (await findLeftovers(cluster))[0]?.writerIsGone;
    const paths = [`${place}.owner`, join(`${place}.partial`, 'base.tar.zst'), `${place}.partial`];
    t.false(await isGone(), 'it has written just now');
    const longAgo = Date.now() / 1000 - 3700;
    for (const path of paths) await utimes(path, longAgo, longAgo);
    const release = await holdLock(t, `${place}.owner`);
    t.false(await isGone(), 'it has its lock');
    await release();
    t.true(await isGone());
  });
}

/** By a process of its own, as flock(1) has it. */
async function holdLock(t: ExecutionContext, path: string): Promise<() => Promise<void>> {
  const holder = await startProcess(t, 'flock', [
    '--no-fork',
    path,
    'sh',
    '-c',
    'echo locked; exec sleep 1000',
  ]);
  await holder.untilLine(/locked/);
  return async () => {
    holder.kill('SIGKILL');
    await holder.exited;
  };
}

test('a description without its backup is a leftover where its writer left more, a backup with its description is none', async (t) => {
  const { cluster, unfinished } = await written(t);
  await unfinished.publish(backup, label);
  const orphan = '20260101T020304Z-8';
  await mkdir(join(cluster, 'backups', `${orphan}.meta`));
  await writeFile(
    join(cluster, 'backups', `${orphan}.owner`),
    JSON.stringify({ ...thisProcess(), startedAt: '1' }),
  );
  await mkdir(join(cluster, 'backups', 'somebody else’s'));
  t.deepEqual(await findLeftovers(cluster), [{ id: 8, name: orphan, writerIsGone: true }]);
  t.is((await readAllBackups(cluster)).length, 1);
});

test('the description of a backup that was moved away stays, and its holds stay with it', async (t) => {
  const { cluster, unfinished, names } = await written(t);
  const directory = await unfinished.publish(backup, label);
  await mkdir(join(`${directory}.meta`, 'holds'));
  await rename(directory, join(cluster, 'moved away'));
  t.deepEqual(await findLeftovers(cluster), []);
  // As a writer leaves it that could not remove its owner file.
  await writeFile(`${directory}.owner`, JSON.stringify({ ...thisProcess(), startedAt: '1' }));
  const [leftover] = await findLeftovers(cluster);
  t.deepEqual(leftover, { id: 7, name, writerIsGone: true });
  if (leftover) await removeLeftover(cluster, leftover);
  t.deepEqual(await names(), [`${name}.meta`]);
  t.true((await readdir(`${directory}.meta`)).includes('holds'));
});

test('a description that is none is an error that names the file', async (t) => {
  const { cluster, unfinished } = await written(t);
  const directory = await unfinished.publish(backup, label);
  const { files: _, ...without } = backup;
  await writeFile(join(`${directory}.meta`, 'backup.json'), JSON.stringify(without));
  await t.throwsAsync(readAllBackups(cluster), { message: /backup\.json" has no number "files"$/ });
  const { backups, damaged } = await readCatalog(cluster);
  t.deepEqual(backups, []);
  t.is(damaged.length, 1);
});

test('no bit of a description can change unnoticed', async (t) => {
  const cluster = await temporaryDirectory(t);
  const file = join(cluster, 'backup.json');
  const bytes = formatRepositoryBackup(backup);
  t.deepEqual(parseRepositoryBackup(file, bytes), backup);
  const unnoticed: string[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    try {
      parseRepositoryBackup(file, changed);
      unnoticed.push(`bit ${bit & 7} of byte ${bit >> 3}`);
    } catch (error) {
      t.is((error as HoldfastError).code, 'backup_damaged');
    }
  }
  t.deepEqual(unnoticed, []);
  for (let length = 0; length < bytes.length; length += 1)
    t.throws(() => parseRepositoryBackup(file, bytes.subarray(0, length)), { code: 'backup_damaged' });
});
