import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import test from 'ava';
import { temporaryName } from '../../src/system/temporary-files.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { makeRepository } from '../support/repository.ts';
import { archivedIn, MB, segment1, segmentBytes, systemIdentifier, walScene } from '../support/wal.ts';
import { sameBytes } from '../support/same-bytes.ts';

const segment2 = '000000010000000000000002';

test('a segment is archived compressed, and a second push of it is fine', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  const first = await scene.push(segment1);
  t.deepEqual([first.status, first.stderr, first.stdout], [0, '', '']);
  sameBytes(t, zstdDecompressSync(await readFile(scene.archived(segment1))), segmentBytes());
  t.is((await stat(scene.archived(segment1))).mode & 0o777, 0o600);
  t.is((await scene.push(segment1)).status, 0);
  t.deepEqual(await leftIn(scene.repository), []);
});

test('a push outside the data directory says where PostgreSQL runs archive_command', async (t) => {
  const scene = await walScene(t);
  const { status, stderr } = await scene.push(`nowhere/${segment1}`);
  t.is(status, 1);
  t.regex(stderr, /cannot be read: ENOENT.*\n {2}hint: pass %p on .* from the data directory/);
});

test('the repository says from then on whose it is', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.push(segment1);
  const file = join(scene.repository, 'main', 'cluster.json');
  t.deepEqual(JSON.parse(await readFile(file, 'utf8')), {
    version: 1,
    systemIdentifier,
    walSegmentSize: MB,
  });
});

test('a different segment of the same name is refused, naming both, and the archived one stays', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.archive(segment1);
  const before = hash(await readFile(scene.archived(segment1)));
  await scene.wal(segment1, { fill: 'other' });
  const { status, stderr } = await scene.push(segment1);
  t.is(status, 1);
  t.true(stderr.includes(`"pg_wal/${segment1}" is different from "${scene.archived(segment1)}"`), stderr);
  t.is(hash(await readFile(scene.archived(segment1))), before);
});

test('a difference in the last byte of 16 MB is a difference', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1, { size: 16 * MB });
  await scene.archive(segment1);
  const bytes = segmentBytes({ size: 16 * MB });
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  await scene.wal(segment1, bytes);
  const { status, stderr } = await scene.push(segment1);
  t.deepEqual([status, /is different from/.test(stderr)], [1, true]);
});

test('the same segment pushed many times at once is archived once, and every push succeeds', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  const pushes = await Promise.all(Array.from({ length: 6 }, () => scene.push(segment1)));
  t.deepEqual(
    pushes.map(({ status }) => status),
    [0, 0, 0, 0, 0, 0],
    pushes.map(({ stderr }) => stderr).join(''),
  );
  t.deepEqual(await leftIn(scene.repository), []);
});

test('of two different segments pushed at once one is archived, and the other refused', async (t) => {
  const scene = await walScene(t);
  const other = await walScene(t, scene.repository);
  await scene.wal(segment1);
  await other.wal(segment1, { fill: 'other' });
  const finished = await Promise.all([scene.push(segment1), other.push(segment1)]);
  t.is(finished.filter(({ status }) => status === 0).length, 1);
  t.is(finished.filter(({ status }) => status === 1).length, 1);
  const winner = finished[0].status === 0 ? 'row' : 'other';
  sameBytes(t, zstdDecompressSync(await readFile(scene.archived(segment1))), segmentBytes({ fill: winner }));
  t.regex(finished.map(({ stderr }) => stderr).join(''), /is different from/);
});

test("another system's segment is refused", async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.archive(segment1);
  await scene.wal(segment2, { system: '1' });
  const { status, stderr } = await scene.push(segment2);
  t.is(status, 1);
  t.regex(stderr, new RegExp(`belongs to the system ${systemIdentifier}, not to 1\n  hint: `));
});

test("another system's history file is refused, where its data directory says whose it is", async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.archive(segment1);
  await mkdir(join(scene.dataDirectory, 'global'));
  const control = Buffer.alloc(8192);
  control.writeBigUInt64LE(1n, 0);
  await writeFile(join(scene.dataDirectory, 'global', 'pg_control'), control);
  await scene.wal('00000002.history', Buffer.from('1\t0/3000000\tno recovery target specified\n'));
  t.regex((await scene.push('00000002.history')).stderr, /belongs to the system/);
  control.writeBigUInt64LE(BigInt(systemIdentifier), 0);
  await writeFile(join(scene.dataDirectory, 'global', 'pg_control'), control);
  t.is((await scene.push('00000002.history')).status, 0);
});

test('a segment of another size is refused', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.archive(segment1);
  await scene.wal(segment2, { size: 2 * MB });
  const { status, stderr } = await scene.push(segment2);
  t.is(status, 1);
  t.regex(stderr, /segments of 1048576 bytes, not of 2097152/);
});

test('history files, backup history files and partial segments are archived, too, and compared', async (t) => {
  const scene = await walScene(t);
  const files = {
    '00000002.history': Buffer.from('1\t0/3000000\tno recovery target specified\n'),
    [`${segment1}.00000028.backup`]: Buffer.from('START WAL LOCATION: 0/100028\n'),
    [`${segment1}.partial`]: segmentBytes(),
  };
  for (const [name, bytes] of Object.entries(files)) {
    await scene.wal(name, bytes);
    t.is((await scene.push(name)).status, 0, name);
    t.is((await scene.push(name)).status, 0, name);
    const archived = await readFile(scene.archived(name));
    sameBytes(t, name.endsWith('.partial') ? zstdDecompressSync(archived) : archived, bytes);
    const changed = Buffer.from(bytes);
    changed.writeUInt8(1, changed.length - 1);
    await scene.wal(name, changed);
    t.regex((await scene.push(name)).stderr, /is different from/, name);
  }
});

for (const name of [
  'pg_wal',
  'x',
  '00000001000000000000000',
  `${segment1}.zst`,
  `${segment1}.ready`,
  '1.history',
]) {
  test(`what is not the name of a WAL file is refused: ${name}`, async (t) => {
    const { status, stderr } = await (await walScene(t)).push(name);
    t.is(status, 2);
    t.regex(stderr, /is not the name of a WAL file\n {2}hint: write holdfast wal push/);
  });
}

test('what is not the segment of that name is refused', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1, segmentBytes({ name: segment2 }));
  t.regex((await scene.push(segment1)).stderr, /is not the WAL segment .*another segment than its name says/);
  await scene.wal(segment1, Buffer.alloc(MB));
  t.regex((await scene.push(segment1)).stderr, /does not begin as a WAL segment does/);
  await scene.wal(segment1, segmentBytes().subarray(0, MB - 1));
  t.regex((await scene.push(segment1)).stderr, /has 1048575 bytes, and its header says 1048576/);
  await scene.wal(segment1, Buffer.alloc(3));
  t.regex((await scene.push(segment1)).stderr, /it ends after 3 bytes/);
  t.is((await scene.push(segment1)).status, 1);
  t.regex((await scene.push(segment2)).stderr, /cannot be read: ENOENT/);
});

test('a damaged file in the archive is named, and not replaced', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.archive(segment1);
  await truncate(scene.archived(segment1), 20);
  const { status, stderr } = await scene.push(segment1);
  t.is(status, 1);
  t.regex(stderr, /is there already and is damaged, so "pg_wal\/\w+" cannot be archived: it is cut off/);
  t.is((await stat(scene.archived(segment1))).size, 20);
});

test('a segment that the archive has in one large frame, by another zstd, is the same segment', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1, { size: 16 * MB });
  await scene.archive(segment1);
  const recompress = `zstd -dc "$1" > "$1.raw" && zstd -q --rm -19 --long -f "$1.raw" -o "$1"`;
  const { status, stderr } = await runProcess('sh', ['-c', recompress, 'sh', scene.archived(segment1)]);
  if (status !== 0) return t.log(`no zstd here: ${stderr}`);
  t.is((await scene.push(segment1)).status, 0);
  t.is((await scene.fetch(segment1)).status, 0);
});

test('a repository that cannot be written says so', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await rm(scene.repository, { recursive: true });
  await writeFile(scene.repository, 'a file where a directory should be');
  const { status, stderr } = await scene.push(segment1);
  t.is(status, 1);
  t.regex(stderr, /^holdfast: ".*" cannot be (written|read): ENOTDIR/);
});

test('what a push that was killed has left is removed by the next one', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.archive(segment1);
  const [segment, identity] = [`${segment2}.zst`, '.cluster.json'];
  const of = async (name: string) =>
    [await nameOfEnded(name), temporaryName(name), nameElsewhere(name)] as const;
  const [left, ...kept] = await of(segment);
  const [leftIdentity, ...keptIdentities] = await of(identity);
  const cluster = join(scene.repository, 'main');
  const writing = join(cluster, 'wal', '.writing');
  for (const name of [left, ...kept]) await writeFile(join(writing, name), 'half a segment');
  for (const name of [leftIdentity, ...keptIdentities])
    await writeFile(join(cluster, name), 'half an identity');
  t.is((await scene.push(segment1)).status, 0);
  t.deepEqual((await readdir(writing)).sort(), [...kept].sort());
  t.deepEqual(
    (await readdir(cluster)).sort(),
    [...keptIdentities, 'cluster.json', 'owner.json', 'wal'].sort(),
  );

  const longAgo = new Date(Date.now() - 3_700_000);
  for (const name of kept) await utimes(join(writing, name), longAgo, longAgo);
  t.is((await scene.push(segment1)).status, 0);
  t.deepEqual(await readdir(writing), [kept[0]], 'of another container only its age tells');
});

test('the level of compression, the cluster and the repository can be configured, in variables, options and the file', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  t.is((await scene.push(segment1)).status, 0);
  await makeRepository(scene.repository, 'best');
  t.is(
    (await scene.push(segment1, { env: { HOLDFAST_CLUSTER: 'best', HOLDFAST_COMPRESS_LEVEL: '19' } })).status,
    0,
  );
  const size = async (path: string) => (await stat(path)).size;
  const best = scene.archived(segment1).replace('/main/', '/best/');
  t.true((await size(best)) < (await size(scene.archived(segment1))));

  const file = join(dirname(scene.dataDirectory), 'holdfast.toml');
  const elsewhere = join(dirname(scene.dataDirectory), 'elsewhere');
  await writeFile(file, `[worker]\nrepository = "${elsewhere}"\n[cluster.sales]\n`);
  await makeRepository(elsewhere, 'sales');
  t.is((await scene.push(segment1, { env: { HOLDFAST_REPOSITORY: '', HOLDFAST_CONFIG: file } })).status, 0);
  t.true((await size(archivedIn(elsewhere, segment1).replace('/main/', '/sales/'))) > 0);

  const wrong = await scene.push(segment1, { env: { HOLDFAST_COMPRESS_LEVEL: 'best' } });
  t.is(wrong.status, 2);
  t.regex(wrong.stderr, /HOLDFAST_COMPRESS_LEVEL\) is not a whole number/);
});

test('directories that appear with a push are closed to others', async (t) => {
  const scene = await walScene(t);
  await scene.wal(segment1);
  await scene.push(segment1);
  for (let path = dirname(scene.archived(segment1)); path !== scene.repository; path = dirname(path)) {
    t.is((await stat(path)).mode & 0o777, 0o700, path);
  }
});

/** As a process named a file that has ended since. */
async function nameOfEnded(name: string): Promise<string> {
  const file = new URL('../../src/system/temporary-files.ts', import.meta.url).href;
  const code = `import { temporaryName } from '${file}'; console.log(temporaryName('${name}'));`;
  const { stdout } = await runProcess(process.execPath, ['--input-type=module', '-e', code]);
  return stdout.trim();
}

/** As a process of another container of this host would, with the same pid. */
function nameElsewhere(name: string): string {
  const parts = temporaryName(name).split('~');
  parts[2] = '1';
  return parts.join('~');
}

async function leftIn(repository: string): Promise<string[]> {
  return readdir(join(repository, 'main', 'wal', '.writing'));
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
