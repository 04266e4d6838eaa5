import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { formatTablespaceMap, parseTablespaceMap } from '../../src/postgres/tablespace-map.ts';
import { placeTablespaces, refuseUnasked } from '../../src/recovery/tablespace-placement.ts';
import { storedTablespaces } from '../../src/recovery/stored-tablespaces.ts';
import type { StoredBackup } from '../../src/repository/catalog.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

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

test('a tablespace is not taken to a place that its path only seems to name', (t) => {
  for (const path of ['/pg/data/../../etc', '/disks/./a', 'disks/a', '/pg/data/..']) {
    const at = [{ oid: '1', location: Buffer.from(path) }];
    t.throws(() => placeTablespaces({ mapped: at, from, to, moved: new Map() }), { message: /is no place/ });
    t.is(placeTablespaces({ mapped: at, from, to, moved: new Map([['1', '/x']]) })[0]?.location, '/x');
  }
});

test('tablespaces and the data directory do not lie one in the other', (t) => {
  const place = (...paths: string[]) =>
    placeTablespaces({ mapped, from, to, moved: new Map(paths.map((path, at) => [String(at + 1), path])) });
  t.throws(() => place('/disks/x', '/disks/x'), {
    message: 'tablespace 1 and tablespace 2 would be one inside the other',
  });
  t.throws(() => place('/disks/x', '/disks/x/y'), { message: /tablespace 2 and tablespace 1/ });
  t.throws(() => place('/new'), { message: /tablespace 1 and the data directory/ });
  t.throws(() => place(to), { message: /tablespace 1 and the data directory/ });
  t.is(place('/new/data-2').length, 3);
});

test('as root, a tablespace outside of the target is asked for', (t) => {
  const placed = placeTablespaces({ mapped, from, to, moved: new Map() });
  const refused = () => refuseUnasked(placed, { moved: new Map(), asWere: false });
  t.throws(refused, { code: 'tablespace_unasked', message: /1 to "\/disks\/a", 3 to/ });
  const moved = new Map([
    ['1', '/disks/a'],
    ['3', '/x'],
  ]);
  t.notThrows(() => refuseUnasked(placed, { moved, asWere: false }));
  t.notThrows(() => refuseUnasked(placed, { moved: new Map(), asWere: true }));
});

for (const major of [12, 14, 18]) {
  test(`a map is read as it was written for PostgreSQL ${major}`, (t) => {
    const odd = [{ oid: '5', location: Buffer.from('/a\\b\nc d') }, ...mapped];
    t.deepEqual(parseTablespaceMap(formatTablespaceMap(odd, major), major), odd);
  });
}

test('a tablespace_map that makes no sense is named, and the backup damaged', async (t) => {
  const meta = await temporaryDirectory(t);
  const backup = { meta, description: { serverVersion: '18.4' } } as StoredBackup;
  t.deepEqual(await storedTablespaces(backup), []);
  await writeFile(join(meta, 'tablespace_map'), 'no map\n');
  const error = await t.throwsAsync(storedTablespaces(backup), {
    message: `"${meta}/tablespace_map" cannot be used: the line "no map" of tablespace_map is malformed`,
  });
  t.like(error, { code: 'backup_damaged' });
});
