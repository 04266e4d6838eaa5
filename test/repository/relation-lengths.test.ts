import test from 'ava';
import { readRelationLengths, writeRelationLength } from '../../src/repository/relation-lengths.ts';

test('lengths are read as they were written', (t) => {
  const text = [
    writeRelationLength({ path: 'base/5/16384', blocks: 131_072 }),
    writeRelationLength({ path: 'base/5/16384.1', blocks: 0 }),
  ].join('');
  t.deepEqual(
    [...readRelationLengths(text)],
    [
      ['base/5/16384', 131_072],
      ['base/5/16384.1', 0],
    ],
  );
  t.is(readRelationLengths('').size, 0);
});

test('a malformed line is refused by its number', (t) => {
  for (const line of [
    '{',
    'null',
    '[]',
    '{"path":"a"}',
    '{"path":1,"blocks":1}',
    '{"path":"a","blocks":-1}',
    '{"path":"a","blocks":0.5}',
  ])
    t.throws(() => readRelationLengths(`{"path":"a","blocks":1}\n${line}\n`), {
      instanceOf: RangeError,
      message: 'line 2 of the list of lengths is malformed',
    });
});
