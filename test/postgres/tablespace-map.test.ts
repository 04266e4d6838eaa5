import test from 'ava';
import { parseTablespaceMap } from '../../src/postgres/tablespace-map.ts';

function parsed(text: string, major = 18): string[] {
  return parseTablespaceMap(Buffer.from(text, 'latin1'), major).map(
    ({ oid, location }) => `${oid}=${location.toString('latin1')}`,
  );
}

test('each line is a tablespace; its path may have spaces, and bytes that are no text', (t) => {
  t.deepEqual(parsed('16385 /fast disk/a\n16386 /b\xff\n'), ['16385=/fast disk/a', '16386=/b\xff']);
  t.deepEqual(parsed(''), []);
});

test('a backslash is taken off what it stands before', (t) => {
  t.deepEqual(parsed('1 /back\\\\slash\n2 /new\\\nline\n'), ['1=/back\\slash', '2=/new\nline']);
});

test('up to 13 a backslash stands for itself, but before the end of a line', (t) => {
  t.deepEqual(parsed('1 /back\\slash\\\\n\n2 /new\\\nline\n', 13), ['1=/back\\slash\\\\n', '2=/new\nline']);
});

test('what PostgreSQL would not read is refused', (t) => {
  t.throws(() => parsed('/a\n'), { message: 'the line "/a" of tablespace_map is malformed' });
  t.throws(() => parsed('16385 \n'), { message: /is malformed$/ });
  t.throws(() => parsed('16385 /a'), { message: 'the last line of tablespace_map has no end' });
  t.throws(() => parsed('16385 /a\\\n', 13), { message: /no end: before 14 PostgreSQL itself cannot read/ });
});
