import test from 'ava';
import {
  addLimit,
  addPart,
  changedBlocks,
  changesKey,
  countChanges,
  isNewDatabase,
  mainForkOf,
  partBlocks,
  type BlockChanges,
} from '../../src/postgres/block-changes.ts';

const place = { tablespace: 1663, database: 5, relation: 16_384 };
const version = 'PG_18_202506291';

test('the path of a main fork leads to tablespace, database, relation and file', (t) => {
  const numbers = (path: string) => {
    const { tablespace, database, relation, segment } = mainForkOf(path) ?? {};
    return [tablespace, database, relation, segment];
  };
  t.deepEqual(numbers('base/5/16384'), [1663, 5, 16_384, 0]);
  t.deepEqual(numbers('base/5/16384.12'), [1663, 5, 16_384, 12]);
  t.deepEqual(numbers('global/1262'), [1664, 0, 1262, 0]);
  t.deepEqual(numbers(`pg_tblspc/16400/${version}/5/16384.1`), [16_400, 5, 16_384, 1]);
});

test('no other file is a main fork', (t) => {
  for (const path of [
    'base/5/16384_fsm',
    'base/5/16384_vm',
    'base/5/16384_init',
    'base/5/PG_VERSION',
    'base/5/pg_filenode.map',
    'base/5/t3_16384',
    'base/5/INCREMENTAL.16384',
    'base/16384',
    'global/pg_control',
    'pg_xact/0000',
    'PG_VERSION',
    '16384',
    'pg_tblspc/16400/16384',
    `pg_tblspc/16400/${version}/16384`,
    'log/5/16384',
  ])
    t.is(mainForkOf(path), undefined, path);
});

/** A few blocks are kept as numbers, many as bits: both have to answer alike. */
for (const [how, step] of [
  ['few', 100],
  ['many', 3],
] as const) {
  test(`of ${how} changed blocks, those of a range are found in their order`, (t) => {
    const offsets = Uint16Array.from({ length: Math.ceil(partBlocks / step) }, (_, n) => n * step);
    const changes: BlockChanges = new Map();
    for (const part of [0, 2]) addPart(changes, place, part, offsets);
    const relation = changes.get(changesKey(place));
    if (relation === undefined) return t.fail();
    const all = [0, 2].flatMap((part) => [...offsets].map((offset) => part * partBlocks + offset));
    t.deepEqual([...changedBlocks(relation, 0, 3 * partBlocks)], all);
    t.is(countChanges(changes), all.length);
    for (const [from, end] of [
      [step, 2 * step],
      [step, 2 * step + 1],
      [partBlocks - 1, 2 * partBlocks + 1],
      [partBlocks, 2 * partBlocks],
      [7, 7],
    ] as const)
      t.deepEqual(
        [...changedBlocks(relation, from, end)],
        all.filter((block) => block >= from && block < end),
        `${from} to ${end}`,
      );
  });
}

test('of several limits the smallest counts', (t) => {
  const changes: BlockChanges = new Map();
  for (const limit of [7, 3, 5]) addLimit(changes, place, limit);
  t.is(changes.get(changesKey(place))?.limit, 3);
});

test('a database that was made in a tablespace is new there only', (t) => {
  const changes: BlockChanges = new Map();
  addLimit(changes, { ...place, relation: 0 }, 0);
  t.true(isNewDatabase(changes, place));
  t.false(isNewDatabase(changes, { ...place, tablespace: 16_400 }));
  t.false(isNewDatabase(changes, { ...place, database: 6 }));
});
