import test from 'ava';
import { formatTablespaceMap, parseTablespaceMap } from '../../src/postgres/tablespace-map.ts';
import { placeTablespaces } from '../../src/restore/tablespaces.ts';

const mapped = [
  { oid: '1', location: Buffer.from('/disks/a') },
  { oid: '2', location: Buffer.from('/pg/data/spaces/b') },
  { oid: '3', location: Buffer.from('/pg/data-2/c\xff', 'latin1') },
];
const from = '/pg/data';
const to = '/new/data';

test('tablespaces stay where they were, and those below the data directory move along', (t) => {
  t.deepEqual(placeTablespaces({ mapped, from, to, moved: new Map() }), [
    { oid: '1', location: '/disks/a', inside: false },
    { oid: '2', location: '/new/data/spaces/b', inside: true },
    { oid: '3', location: '/pg/data-2/c\xff', inside: false },
  ]);
});

test('one that is sent elsewhere goes there', (t) => {
  const moved = new Map([['2', '/ünder']]);
  t.is(placeTablespaces({ mapped, from, to, moved })[1]?.location, Buffer.from('/ünder').toString('latin1'));
});

test('a tablespace that the backup does not have is a wrong option', (t) => {
  t.throws(() => placeTablespaces({ mapped, from, to, moved: new Map([['9', '/x']]) }), {
    message: 'the backup has no tablespace 9',
  });
});

for (const major of [12, 14, 18]) {
  test(`a map is read as it was written for PostgreSQL ${major}`, (t) => {
    const odd = [{ oid: '5', location: Buffer.from('/a\\b\nc d') }, ...mapped];
    t.deepEqual(parseTablespaceMap(formatTablespaceMap(odd, major), major), odd);
  });
}
