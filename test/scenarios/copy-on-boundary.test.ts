// A copy whose stop ends exactly with a WAL segment.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { extracted, noCopies, started, storedCopy } from '../support/copies.ts';
import { boundaryScene, segmentSize, stoppedOnBoundary } from '../support/stop-boundary.ts';
import { testWhen } from '../support/test-when.ts';
import { segmentWithEnd } from '../support/wal-position.ts';

testWhen(noCopies)('copy takes no segment behind the end of the last one, and is restored', async (t) => {
  const { client, repository, server, there } = await boundaryScene(t);
  await there.query('create table kept as select generate_series(1, 1000) n');
  const row = await stoppedOnBoundary(client, there, { method: 'copy', rate_limit: 12_000_000 });
  t.is(row.stop_wal, segmentWithEnd(row.stop_lsn, segmentSize));
  const backup = await storedCopy(repository, row);
  const wal = (await readdir(join(backup.directory, 'pg_wal'))).sort();
  t.is(wal.at(-1), `${row.stop_wal}.zst`);
  const restored = await started(t, await extracted(t, backup, server.version), 'postgres');
  t.is(await restored.value('select count(*)::int from kept'), 1000);
});
