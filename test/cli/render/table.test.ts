import test from 'ava';
import stringWidth from 'string-width';
import { table, truncate, type TableColumn } from '../../../src/cli/render/table.ts';

interface Row {
  id: number;
  label: string;
  note?: string;
}

const columns: TableColumn<Row>[] = [
  { title: 'ID', value: ({ id }) => String(id), align: 'right' },
  { title: 'LABEL', value: ({ label }) => label, flexible: true },
  { title: 'NOTE', value: ({ note }) => note ?? '', flexible: true },
];

test('columns are as wide as what is in them, and an empty one is left out', (t) => {
  t.deepEqual(
    table(columns, [
      { id: 1, label: 'a' },
      { id: 12, label: 'nightly' },
    ]),
    ['ID  LABEL', ' 1  a', '12  nightly'],
  );
});

test('characters of double width keep the columns straight', (t) => {
  const lines = table(columns, [
    { id: 1, label: '备份🚀', note: 'x' },
    { id: 2, label: 'plain', note: 'x' },
  ]);
  const before = (line: string) => stringWidth(line.slice(0, line.indexOf('x')));
  t.is(before(lines[1] ?? ''), before(lines[2] ?? ''));
});

test('no line is wider than the terminal; the widest column gives way first', (t) => {
  const rows = [{ id: 1, label: 'short label', note: 'a remark that goes on and on and on' }];
  const lines = table(columns, rows, 40);
  t.true(lines.every((line) => stringWidth(line) <= 40));
  t.is(lines[1], ' 1  short label  a remark that goes on …');
});

test('text is cut between characters, not within them', (t) => {
  t.is(truncate('👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 5), '👩‍👩‍👧‍👦👩‍👩‍👧‍👦…');
  t.is(truncate('exact', 5), 'exact');
});
