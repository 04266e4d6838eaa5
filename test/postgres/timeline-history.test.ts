// What a timeline history says, and what no server can have written.
import test from 'ava';
import { parseTimelineHistory } from '../../src/postgres/timeline-history.ts';

const parse = (text: string, timeline: number) => parseTimelineHistory(Buffer.from(text), timeline);

test('the ancestors come in the order in which they were left', (t) => {
  const text = '1\t0/3000000\tno recovery target specified\n\n2\t1/A0\tat restore point "here"\n';
  t.deepEqual(parse(text, 3), [
    { timeline: 1, end: 0x300_0000n },
    { timeline: 2, end: 0x1_0000_00a0n },
  ]);
});

test('comments, empty lines and more than one blank are let pass, as PostgreSQL does', (t) => {
  t.deepEqual(parse('# by hand\n\n  1   0/3000000 \n', 7), [{ timeline: 1, end: 0x300_0000n }]);
});

for (const [what, text, message] of [
  ['nothing', '', 'it names no timeline'],
  ['nothing but comments', '# nothing\n', 'it names no timeline'],
  ['a line without its end', '1\t0/3000000', 'it is cut off within a line'],
  ['a line without an LSN', '1\n', 'its line "1" is malformed'],
  ['a line of zeros', '\0\0\0\n', 'its line "\0\0\0" is malformed'],
  ['the timeline itself', '1\t0/1\tx\n3\t0/2\tx\n', 'its timelines do not lead to 3: 1, 3'],
  ['timelines in the wrong order', '2\t0/1\tx\n1\t0/2\tx\n', 'its timelines do not lead to 3: 2, 1'],
  ['a timeline of the number 0', '0\t0/1\tx\n', 'its timelines do not lead to 3: 0'],
] as const) {
  test(`a history with ${what} is damaged`, (t) => {
    t.throws(() => parse(text, 3), { instanceOf: RangeError, message });
  });
}
