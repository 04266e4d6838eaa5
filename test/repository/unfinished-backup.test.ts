import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { HoldfastError } from '../../src/errors.ts';
import {
  findBackup,
  formatRepositoryBackup,
  listBackups,
  parseRepositoryBackup,
  type RepositoryBackup,
} from '../../src/repository/repository-backup.ts';
import { findLeftovers, removeLeftover, UnfinishedBackup } from '../../src/repository/unfinished-backup.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

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
  const unfinished = await UnfinishedBackup.create(cluster, backup);
  await writeFile(join(unfinished.directory, 'base.tar.zst'), 'tar');
  await writeFile(join(unfinished.directory, 'frames.jsonl'), '{}\n');
  return { cluster, unfinished, names: async () => (await readdir(join(cluster, 'backups'))).sort() };
}

test('until it is published nobody lists it; then it is there, with all that is known, and the latest', async (t) => {
  const { cluster, unfinished, names } = await written(t);
  t.deepEqual(await listBackups(cluster), []);
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
  t.deepEqual(await listBackups(cluster), [backup]);
  t.deepEqual(await findBackup(cluster, backup), backup);
  t.is(await findBackup(cluster, { ...backup, startLsn: '0/3000028' }), undefined);
  t.is(await readFile(join(cluster, 'latest.meta'), 'utf8').catch(() => 'none'), 'none');
});

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
  const { startedAt } = JSON.parse(await readFile(owner, 'utf8')) as { startedAt: string };
  const isGone = async (text: string) => {
    await writeFile(owner, text);
    return (await findLeftovers(cluster))[0]?.writerIsGone;
  };
  const now = { host: hostname(), pid: process.pid, startedAt };
  t.false(await isGone(JSON.stringify(now)));
  t.true(await isGone(JSON.stringify({ ...now, startedAt: '1' })), 'another process of that number');
  t.true(await isGone(JSON.stringify({ ...now, pid: 2 ** 22 + 1 })));
  t.false(await isGone(JSON.stringify({ ...now, host: 'elsewhere' })), 'nobody can tell from here');
  t.true(await isGone('{"host":'), 'cut off when the host went down');
  await removeLeftover(cluster, { id: 7, name, writerIsGone: true });
  t.deepEqual(await names(), []);
});

test('a description without its backup is a leftover, a backup with its description is none', async (t) => {
  const { cluster, unfinished } = await written(t);
  await unfinished.publish(backup, label);
  const orphan = '20260101T020304Z-8';
  await mkdir(join(cluster, 'backups', `${orphan}.meta`));
  await mkdir(join(cluster, 'backups', 'somebody else’s'));
  t.deepEqual(await findLeftovers(cluster), [{ id: 8, name: orphan, writerIsGone: true }]);
  t.is((await listBackups(cluster)).length, 1);
});

test('a description that is none is an error that names the file', async (t) => {
  const { cluster, unfinished } = await written(t);
  const directory = await unfinished.publish(backup, label);
  const { files: _, ...without } = backup;
  await writeFile(join(`${directory}.meta`, 'backup.json'), JSON.stringify(without));
  await t.throwsAsync(listBackups(cluster), { message: /backup\.json" has no number "files"$/ });
  const damaged: unknown[] = [];
  t.deepEqual(await listBackups(cluster, (error) => damaged.push(error)), []);
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
      t.true(error instanceof HoldfastError);
    }
  }
  t.deepEqual(unnoticed, []);
  for (let length = 0; length < bytes.length; length += 1)
    t.throws(() => parseRepositoryBackup(file, bytes.subarray(0, length)), { instanceOf: HoldfastError });
});
