// WAL of a PostgreSQL that this release does not know: the server must be able to archive it, and somebody has to hear
// that it cannot be restored.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { pushAhead } from '../../src/wal/push-ahead.ts';
import { holdfast } from '../support/process.ts';
import { segment1, segmentBytes, systemIdentifier, walScene, type Scene } from '../support/wal.ts';

const magic = 0xd1f0;
const names = [1, 2, 3, 4].map((n) => `00000001000000000000000${n}`);
const warning =
  /^holdfast: warning: "pg_wal\/0{7}10{15}1" is archived, but this release of Holdfast can neither verify nor restore it: it has WAL pages with the magic number 0xD1F0, which belongs to no PostgreSQL 12 to 19\n {2}hint: use a release of Holdfast/;

/** A server's data directory with these segments. */
async function unknownServer(t: ExecutionContext): Promise<Scene> {
  const scene = await walScene(t);
  for (const name of ['pg_wal/archive_status', 'global']) await mkdir(join(scene.dataDirectory, name));
  const control = Buffer.alloc(8192);
  control.writeBigUInt64LE(BigInt(systemIdentifier));
  await writeFile(join(scene.dataDirectory, 'global/pg_control'), control);
  for (const name of names) await scene.wal(name, { magic });
  return scene;
}

test('a push archives the segment and warns once, whatever is pushed later', async (t) => {
  const scene = await unknownServer(t);
  const first = await scene.push(segment1);
  t.is(first.status, 0, first.stderr);
  t.regex(first.stderr, warning);
  t.deepEqual(zstdDecompressSync(await readFile(scene.archived(segment1))), segmentBytes({ magic }));
  for (const name of names) t.like(await scene.push(name), { status: 0, stderr: '' }, name);
});

test('another unknown version is warned of once more', async (t) => {
  const scene = await unknownServer(t);
  await scene.push(segment1);
  await scene.wal('000000010000000000000002', { magic: magic + 1 });
  const upgraded = await scene.push('000000010000000000000002');
  t.is(upgraded.status, 0);
  t.regex(upgraded.stderr, /0xD1F1/);
});

test('with --json the warning is JSON', async (t) => {
  const scene = await unknownServer(t);
  const { stderr, status } = await holdfast(['wal', 'push', `pg_wal/${segment1}`, '--json'], {
    cwd: scene.dataDirectory,
    env: { HOLDFAST_REPOSITORY: scene.repository },
  });
  t.is(status, 0);
  const { warning: said } = JSON.parse(stderr) as { warning: { code: string; message: string } };
  t.is(said.code, 'unsupported_version');
  t.regex(said.message, /0xD1F0/);
});

test('what is archived ahead is warned of, and its push then is not', async (t) => {
  const scene = await unknownServer(t);
  const known = '000000010000000000000000';
  await scene.wal(known);
  t.like(await scene.push(known), { status: 0, stderr: '' });
  for (const name of names)
    await writeFile(join(scene.dataDirectory, 'pg_wal/archive_status', `${name}.ready`), '');
  const warnings: string[] = [];
  const archived = await pushAhead({
    dataDirectory: scene.dataDirectory,
    clusterDirectory: join(scene.repository, 'main'),
    compressLevel: 1,
    ahead: 8,
    goOn: () => true,
    onWarning: ({ message }) => void warnings.push(message),
  });
  t.is(archived, names.length);
  t.is(warnings.length, 1);
  t.regex(warnings[0] ?? '', /0xD1F0/);
  for (const name of names) t.like(await scene.push(name), { status: 0, stderr: '' }, name);
});

test("another server's segment is refused, by the system identifier of its pg_control", async (t) => {
  const scene = await unknownServer(t);
  await scene.push(segment1);
  const control = Buffer.alloc(8192);
  control.writeBigUInt64LE(BigInt(systemIdentifier) + 1n);
  await writeFile(join(scene.dataDirectory, 'global/pg_control'), control);
  const refused = await scene.push('000000010000000000000002');
  t.is(refused.status, 1);
  t.regex(refused.stderr, /7412345678901234568/);
});

test('a fetch refuses the segment by name, and not as damaged', async (t) => {
  const scene = await unknownServer(t);
  await scene.push(segment1);
  const { status, stderr } = await scene.fetch(segment1);
  t.not(status, 0);
  t.regex(stderr, /cannot be read: it has WAL pages with the magic number 0xD1F0/);
  t.regex(stderr, /hint: use a release of Holdfast that knows/);
  t.notRegex(stderr, /damaged/);
  t.false(existsSync(join(scene.dataDirectory, 'pg_wal/RECOVERYXLOG')));
});

test('bytes that are of no PostgreSQL at all are refused as before', async (t) => {
  const scene = await unknownServer(t);
  await scene.wal(segment1, { magic: 0x4242 });
  const { status, stderr } = await scene.push(segment1);
  t.is(status, 1);
  t.regex(stderr, /is not the WAL segment/);
});
