// The smallest WAL segments that there are, and the largest: archived, beside a backup, and fetched for a restore.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { testWhen } from '../support/test-when.ts';
import { noArchivingServer } from '../support/wal.ts';

const test = testWhen(noRestore, noArchivingServer).serial;

// A server makes and keeps as few of 1 GB as it may.
const frugal = { wal_init_zero: 'off', wal_recycle: 'off', min_wal_size: '2GB', max_wal_size: '2GB' };

for (const { size, settings } of [
  { size: 1, settings: {} },
  { size: 1024, settings: frugal },
]) {
  test(`with segments of ${size} MB a backup is made, and restored to any moment since`, async (t) => {
    t.timeout(600_000);
    const scene = await repositoryScene(t, { initdb: [`--wal-segsize=${size}`], settings });
    const { admin, archiveAll, now, started } = scene;
    await admin.query('create table kept as select generate_series(1, 1000) n');
    const { description, directory } = await scene.backup();
    t.is(description.walSegmentSize, size << 20);
    t.true((await readdir(join(directory, 'pg_wal'))).includes(`${description.startWal}.zst`));
    await admin.query('insert into kept select generate_series(1001, 50000)'); // several of 1 MB
    const target = await now();
    await admin.query('insert into kept values (0)');
    await archiveAll();

    const before = await started('--no-archiving', '--target-time', target, '--target-action', 'promote');
    t.is(await before.client.value('select count(*)::int from kept'), 50_000);
    await before.cluster.remove();
    const latest = await started('--no-archiving');
    t.is(await latest.client.value('select count(*)::int from kept'), 50_001);
  });
}
