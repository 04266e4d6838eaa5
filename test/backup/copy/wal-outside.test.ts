import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { walOutside } from '../../../src/backup/copy/wal-outside.ts';
import { noSmallDisk, smallDisk } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { testWhen } from '../../support/test-when.ts';

test('pg_wal is where a link leads, however the link is written', async (t) => {
  const data = await temporaryDirectory(t);
  await symlink('../volume', join(data, 'pg_wal'));
  t.is(await walOutside(data), join(data, '../volume'));
});

testWhen(noSmallDisk)('pg_wal is on a volume of its own where one is mounted', async (t) => {
  const data = await temporaryDirectory(t);
  const wal = join(data, 'pg_wal');
  await mkdir(wal);
  t.is(await walOutside(data), undefined);
  await smallDisk(t, '64k', wal);
  t.is(await walOutside(data), wal);
});
