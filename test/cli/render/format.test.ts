import test from 'ava';
import { bytes, seconds, time } from '../../../src/cli/render/format.ts';
import { createLog } from '../../../src/log.ts';
import { plain } from '../../../src/plain.ts';
import { holdfast } from '../../support/process.ts';

for (const [value, text] of [
  [-0.2, '0 s'],
  [0.25, '0.3 s'],
  [42.4, '42 s'],
  [60, '1 min'],
  [123, '2 min 3 s'],
  [3599.6, '1 h'],
  [11_520, '3 h 12 min'],
  [187_200, '2 d 4 h'],
  [864_000, '10 d'],
] as const) {
  test(`${value} seconds read "${text}"`, (t) => {
    t.is(seconds(value), text);
  });
}

for (const [value, text] of [
  [0, '0 bytes'],
  [1023, '1023 bytes'],
  [1536, '1.5 kB'],
  [5 * 1024 ** 3, '5.0 GB'],
  [300 * 1024 ** 4, '300 TB'],
] as const) {
  test(`${value} bytes read "${text}"`, (t) => {
    t.is(bytes(value), text);
  });
}

test('times are in UTC', (t) => {
  t.is(time(new Date('2026-01-02T03:04:05.678Z')), '2026-01-02 03:04:05 UTC');
});

test("what could move a terminal's cursor or turn its text is made visible", (t) => {
  t.is(
    plain('red \u001b[31m, bell \u0007, C1 \u009b, turned \u202e, two\nlines'),
    'red \\u001b[31m, bell \\u0007, C1 \\u009b, turned \\u202e, two lines',
  );
  t.is(plain('naïve 备份 👩‍👩‍👧‍👦'), 'naïve 备份 👩‍👩‍👧‍👦');
});

test('nothing of it reaches a terminal by errors or by the log', async (t) => {
  const evil = 'a\u001b[2Jb\u009bc';
  const { stderr } = await holdfast(['restore', '--list', '--repository', `/nowhere/${evil}`]);
  t.regex(stderr, /nowhere\/a\\u001b\[2Jb\\u009bc/);
  const lines: string[] = [];
  createLog({ write: (line) => lines.push(line) }).warning(evil, { label: evil, path: `${evil} x` });
  t.notRegex(lines.join('').trimEnd(), /\p{Cc}/u);
});
