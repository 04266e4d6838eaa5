// `holdfast verify`, and what `holdfast restore` does with the same damage.
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { formatRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { readFrameIndex } from '../../src/repository/frame-index.ts';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { noServerFiles } from '../support/cluster.ts';
import { holdfast } from '../support/process.ts';
import { onBehalfOf, repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { shared } from '../support/shared.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { verify } from '../support/verify.ts';

const test = testWhen(noServerFiles).serial;

const sharedScene = shared(import.meta.url, async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table kept as select g n, md5(g::text) t from generate_series(1, 20000) g');
  return { scene, stored: await scene.backup() };
});

/** For a test that leaves the one backup as it was. `recorded`: the results since. */
async function backedUp(t: ExecutionContext) {
  const { scene, stored } = await sharedScene();
  const results = 'select * from holdfast.backup_verification order by id';
  const before = (await scene.admin.query(results)).length;
  const recorded = async () => (await scene.admin.query(results)).slice(before);
  return { ...stored, recorded, scene: onBehalfOf(t, scene) };
}

test('a sound backup is verified wholly, and the result is in the database', async (t) => {
  const { scene, description, recorded } = await backedUp(t);
  const { status, found } = await verify(scene, '--all');
  t.is(status, 0);
  t.is(found.length, 1);
  t.like(found[0], { ok: true, problems: [], recorded: true });
  t.is(found[0]?.files, description.files);
  t.true(Number(found[0]?.segments) >= 1);
  const rows = await recorded();
  t.is(rows.length, 1);
  t.like(rows[0], {
    request_id: String(description.id),
    cluster: 'main',
    ok: true,
    problems: [],
    files: String(description.files),
  });
  await t.throwsAsync(scene.admin.query('update holdfast.backup_verification set ok = false'), {
    message: /is refused: it is a history/,
  });
});

test('where there is nothing of a cluster, nothing is said to be sound', async (t) => {
  const repository = await temporaryDirectory(t);
  for (const command of [
    ['verify', '--all'],
    ['restore', '--list'],
    ['restore', '--to', '/tmp/never-made'],
  ]) {
    const { status, stderr } = await holdfast([...command, '--repository', repository], {
      url: 'postgres://nobody@127.0.0.1:1/nothing',
    });
    t.is(status, 1);
    t.regex(stderr, /there is nothing of a cluster "main" in .*\n {2}hint: mount its file system/);
  }
});

test('without the database a verification is done, and says that it is recorded nowhere', async (t) => {
  const { scene } = await backedUp(t);
  const { status, stdout, stderr } = await holdfast(['verify', '1', '--repository', scene.repository], {
    url: 'postgres://nobody@127.0.0.1:1/nothing',
  });
  t.is(status, 0);
  t.regex(stdout, /: sound: \d+ files/);
  t.regex(stderr, /warning: this is not in backup_verification: /);
});

/** Changes one bit in the middle of a file, or at a place in it. */
async function flip(file: string, at?: number): Promise<void> {
  const bytes = await readFile(file);
  const place = at ?? Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(place) ^ 0x10, place);
  await writeFile(file, bytes);
}

/** Every kind of damage, one after the other, on copies of the same backup's files. */
test('whatever is damaged or missing is found by verify, and not restored', async (t) => {
  const { scene, directory, meta, description: backup } = await backedUp(t);
  const base = join(directory, 'base.tar.zst');
  const frames = readFrameIndex(await readFile(join(meta, 'frames.jsonl'), 'utf8'));
  const middle = frames[Math.floor(frames.length / 2)];
  const segment = archivedPath(scene.directory, backup.startWal);
  const damages: [string, string, () => Promise<unknown>, RegExp][] = [
    [
      'a flipped bit in a frame',
      base,
      () => flip(base, Number(middle?.offset) + 100),
      /base\.tar\.zst, the frame at \d+: /,
    ],
    [
      'a truncated tar',
      base,
      () => truncate(base, backup.tars[0]?.bytes ? backup.tars[0].bytes - 10 : 0),
      /base\.tar\.zst has \d+ bytes instead of/,
    ],
    [
      'a flipped bit in the index',
      join(meta, 'frames.jsonl'),
      () => flip(join(meta, 'frames.jsonl')),
      /frames\.jsonl" cannot be used: its CRC-32C/,
    ],
    [
      'a flipped bit in the manifest',
      join(directory, 'backup_manifest'),
      () => flip(join(directory, 'backup_manifest')),
      /backup_manifest" cannot be used: its CRC-32C/,
    ],
    [
      'a truncated manifest',
      join(directory, 'backup_manifest'),
      () => truncate(join(directory, 'backup_manifest'), 1000),
      /backup_manifest" cannot be used/,
    ],
    [
      'a truncated backup.json',
      join(meta, 'backup.json'),
      () => truncate(join(meta, 'backup.json'), 100),
      /backup\.json" is not JSON/,
    ],
    [
      'a missing backup.json',
      join(meta, 'backup.json'),
      () => rm(join(meta, 'backup.json')),
      /backup\.json" is missing/,
    ],
    [
      'another stop in backup.json',
      join(meta, 'backup.json'),
      () =>
        writeFile(
          join(meta, 'backup.json'),
          formatRepositoryBackup({ ...backup, stopWal: '000000010000000000000099' }),
        ),
      /backup\.json contradicts itself/,
    ],
    [
      'a flipped bit in backup.json',
      join(meta, 'backup.json'),
      () => flip(join(meta, 'backup.json')),
      /backup\.json" (is damaged: its checksum|is not JSON|has no )/,
    ],
    [
      'a truncated index',
      join(meta, 'frames.jsonl'),
      () => truncate(join(meta, 'frames.jsonl'), 100),
      /frames\.jsonl" cannot be used: its CRC-32C/,
    ],
    [
      'a missing segment',
      segment,
      () => Promise.all([segment, join(directory, 'pg_wal', basename(segment))].map((path) => rm(path))),
      /is missing|is not there/,
    ],
  ];
  for (const [what, file, damage, expected] of damages) {
    const original = await readFile(file);
    await damage();
    const { status, found } = await verify(scene, '--all', '--no-record');
    t.is(status, 1, what);
    t.true(
      found[0]?.problems.some((problem) => expected.test(problem)),
      `${what}: ${found[0]?.problems.join('; ')}`,
    );
    await refuses(t, scene, what);
    await writeFile(file, original);
    if (file === segment) await cp(segment, join(directory, 'pg_wal', basename(segment)));
  }
  t.is((await verify(scene, '--all', '--no-record')).status, 0);
  // The label that is beside the backup is for "holdfast label" and "place": a restore has the one in the tar.
  const label = join(meta, 'backup_label');
  const original = await readFile(label);
  await flip(label);
  const { found } = await verify(scene, '--all', '--no-record');
  t.regex(String(found[0]?.problems), /backup_label" is not the one in the backup/);
  await writeFile(label, original);
});

test('a damaged WAL segment is found by verify', async (t) => {
  const { scene, description: backup } = await backedUp(t);
  const segment = archivedPath(scene.directory, backup.startWal);
  const original = await readFile(segment);
  await flip(segment, 100);
  t.regex(String((await verify(scene, '1', '--no-record')).found[0]?.problems[0]), /a zstd frame|cut off/);
  await refusesToRecover(t, scene);
  await writeFile(segment, original);
  await truncate(segment, original.length - 20);
  t.regex(String((await verify(scene, '1', '--no-record')).found[0]?.problems[0]), /cut off/);
  await refusesToRecover(t, scene);
  await writeFile(segment, original);
  await scene.archiveAll();
  const other = archivedPath(scene.directory, await nextSegment(scene, backup.stopWal));
  await writeFile(segment, await readFile(other));
  t.regex(
    String((await verify(scene, '1', '--no-record')).found[0]?.problems[0]),
    /another segment than its name says/,
  );
  await writeFile(segment, original);
});

/** Reading this fails as on a disk that is not well. */
const failing = '/proc/self/mem';

/** Root does not even open it, where the repository is the server's user's. */
const refused = (name: string) =>
  new RegExp(`${name}\\\\" cannot be read: (EIO|.*is a symbolic link of another user)`);

test('what cannot be read at the moment says nothing about the backup, and nothing is recorded', async (t) => {
  const { scene, directory, meta, description, recorded } = await backedUp(t);
  const segment = archivedPath(scene.directory, description.startWal);
  const own = join(directory, 'pg_wal', basename(segment));
  for (const [file, target, complaint] of [
    [join(directory, 'backup_manifest'), failing, refused('backup_manifest')],
    [join(meta, 'frames.jsonl'), failing, refused('frames.jsonl')],
    [join(meta, 'backup_label'), failing, refused('backup_label')],
    [segment, failing, refused('.zst')],
    [own, basename(own), /\.zst\\" cannot be read: ELOOP/],
  ] as const) {
    await rename(file, `${file}.away`);
    await symlink(target, file);
    await t.throwsAsync(verify(scene, '1'), { message: complaint }, file);
    await rename(`${file}.away`, file);
  }
  t.deepEqual(await recorded(), []);
  t.is((await verify(scene, '1')).status, 0);
});

async function nextSegment({ directory }: RepositoryScene, after: string): Promise<string> {
  const names = await readdir(join(directory, 'wal', after.slice(0, 16)));
  const segments = names
    .filter((name) => /^[0-9A-F]{24}\.zst$/.test(name))
    .map((name) => name.slice(0, 24))
    .sort();
  return segments.find((name) => name > after) ?? '';
}

/** With an error, and no directory that a server would start on. */
async function refuses(t: ExecutionContext, scene: RepositoryScene, what: string): Promise<void> {
  const to = join(await temporaryDirectory(t), 'data');
  const { status, stderr } = await scene.restore(to);
  t.is(status, 1, what);
  t.regex(stderr, /hint: /, what);
  t.false(existsSync(join(to, 'global', 'pg_control')), what);
}

/** Restoring does not read all the WAL: recovery does, and ends with an error at what is damaged. */
async function refusesToRecover(t: ExecutionContext, scene: RepositoryScene): Promise<void> {
  // The restore says so before it writes anything; who goes on has a server that says so.
  await t.throwsAsync(scene.restored('--no-archiving'), { message: /\.zst" is damaged: / });
  const restored = await scene.restored('--no-archiving', '--despite-missing-wal');
  await t.throwsAsync(restored.start(), { message: /is damaged: / });
  await restored.remove();
}
