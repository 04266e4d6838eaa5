// What is encoded, GNU tar reads; what GNU tar writes in the same formats, is parsed.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'ava';
import {
  encodeHeader,
  endOfArchive,
  parseHeader,
  tarPadding,
  type TarMember,
} from '../../src/repository/tar.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const member: TarMember = {
  name: 'base/5/1259',
  size: 5,
  mode: 0o640,
  mtime: 1_767_225_600,
  uid: 1234,
  gid: 5678,
  user: 'somebody',
  group: 'people',
};

const names = {
  'a short one': 'PG_VERSION',
  'a directory': 'base/5/',
  'one of exactly 100 bytes': 'x'.repeat(100),
  'one that splits into prefix and name': `${'directory/'.repeat(14)}${'n'.repeat(90)}`,
  'one with no place to split it': 'n'.repeat(101),
  'one that is longer than all that': `${'directory/'.repeat(40)}file`,
  'a directory whose only split would be at its end': `${'d'.repeat(101)}/`,
  'one in UTF-8': Buffer.from('log/Übermäßig.log').toString('latin1'),
};

for (const [title, name] of Object.entries(names)) {
  test(`a header holds ${title}`, (t) => {
    const size = name.endsWith('/') ? 0 : 5;
    const header = encodeHeader({ ...member, name, size });
    t.is(header.length % 512, 0);
    t.deepEqual(parseHeader(header), { member: { ...member, name, size }, dataAt: header.length });
  });
}

test('a header holds sizes from 8 GiB on', (t) => {
  for (const size of [8 * 2 ** 30 - 1, 8 * 2 ** 30, 2 ** 45 + 1])
    t.is(parseHeader(encodeHeader({ ...member, size })).member?.size, size);
});

const bigIds = [2 ** 21 - 1, 2 ** 21, 1_000_680_000, 2 ** 32 - 2];

test('a header holds the ids of owners from 2^21 on, and GNU tar reads them', async (t) => {
  const directory = await temporaryDirectory(t);
  for (const id of bigIds) {
    const header = encodeHeader({ ...member, size: 0, uid: id, gid: id, user: '', group: '' });
    t.is(header.length, 512, 'without a pax header');
    const { member: read } = parseHeader(header);
    t.deepEqual([read?.uid, read?.gid], [id, id]);
    const file = join(directory, 'a.tar');
    await writeFile(file, Buffer.concat([header, endOfArchive]));
    const { stdout } = await runProcess('tar', ['--numeric-owner', '-tvf', file]);
    t.regex(stdout, new RegExp(` ${id}/${id} `));
  }
});

test('what GNU tar writes for such an id is read, and a negative one is refused', async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, 'a.tar');
  await writeFile(join(directory, 'x'), '');
  const args = [
    '--owner=:1000680000',
    '--group=:1000680001',
    '--format=gnu',
    '-C',
    directory,
    '-cf',
    file,
    'x',
  ];
  t.is((await runProcess('tar', args)).status, 0);
  const { member: read } = parseHeader(await readFile(file));
  t.deepEqual([read?.uid, read?.gid], [1_000_680_000, 1_000_680_001]);

  for (const damage of [
    Buffer.alloc(8, 0xff),
    Buffer.from('8000000100000000', 'hex'),
    Buffer.from('-0000001'),
  ]) {
    const header = encodeHeader({ ...member, size: 0 });
    damage.copy(header, 108);
    header.write('        ', 148, 'latin1');
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    t.throws(() => parseHeader(header), { instanceOf: RangeError });
  }
});

test('GNU tar extracts all of them, with their content, modes and times', async (t) => {
  const directory = await temporaryDirectory(t);
  const parts: Buffer[] = [];
  for (const name of Object.values(names)) {
    const data = Buffer.from(name.endsWith('/') ? '' : 'data\n');
    parts.push(
      encodeHeader({ ...member, name, size: data.length, mode: name.endsWith('/') ? 0o750 : 0o640 }),
    );
    parts.push(data, Buffer.alloc(tarPadding(data.length)));
  }
  await writeFile(join(directory, 'made.tar'), Buffer.concat([...parts, endOfArchive]));
  await mkdir(join(directory, 'out'));
  const { status, stderr } = await runProcess(
    'tar',
    ['-xpf', join(directory, 'made.tar'), '--no-same-owner', '-C', join(directory, 'out')],
    { env: { ...process.env, LC_ALL: 'C.UTF-8' } },
  );
  t.is(status, 0, stderr);
  t.is(stderr, '');
  for (const name of Object.values(names).filter((it) => !it.endsWith('/'))) {
    const path = Buffer.from(`${join(directory, 'out')}/${name}`, 'latin1');
    t.is(await readFile(path, 'utf8'), 'data\n');
  }
  const { stdout } = await runProcess('tar', ['-tvf', join(directory, 'made.tar'), '--utc', 'PG_VERSION']);
  t.is(stdout.replaceAll(/ +/g, ' '), '-rw-r----- somebody/people 5 2026-01-01 00:00 PG_VERSION\n');
});

test('what GNU tar writes is parsed', async (t) => {
  const directory = await temporaryDirectory(t);
  const name = `${'directory/'.repeat(30)}file`;
  await mkdir(join(directory, dirname(name)), { recursive: true });
  await writeFile(join(directory, name), 'data\n');
  const tar = join(directory, 'made.tar');
  await runProcess('tar', ['--format=pax', '-cf', tar, '-C', directory, name]);
  const bytes = await readFile(tar);
  const { member: found, dataAt } = parseHeader(bytes);
  t.is(found?.name, name);
  t.is(bytes.subarray(dataAt, dataAt + 5).toString(), 'data\n');
  t.is(parseHeader(bytes, dataAt + 512).member, undefined);
});

test('what is no header is refused', (t) => {
  const header = encodeHeader(member);
  const broken = Buffer.from(header);
  broken[0] = (broken[0] ?? 0) ^ 1;
  t.throws(() => parseHeader(broken), { message: 'a tar header has a wrong checksum' });
  t.throws(() => parseHeader(header.subarray(0, 100)), { message: 'a tar header is cut off' });
});

test('a size in a pax header that is none is refused: what follows would lie before it, without end', (t) => {
  const large = encodeHeader({ ...member, size: 8 ** 11 }).toString('latin1');
  const sized = (size: string) =>
    parseHeader(Buffer.from(large.replace(/\d+ size=\d+\n/, `${size.length + 9} size=${size}\n`), 'latin1'));
  t.is(sized('9589934592').member?.size, 9_589_934_592);
  for (const size of ['-858993612', '1e99999999', '0x20000000', ' 858993459'])
    t.throws(() => sized(size), { message: 'a pax header has a size that is not a number' }, size);
});
