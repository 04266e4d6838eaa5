// An archiver whose command fails from now on.
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import type { SqlClient } from './sql-client.ts';

/** Resolves once it has failed: until it has seen its new command, the archiver goes on with the old one. */
export async function makeArchiverFail(cluster: TestCluster, admin: SqlClient): Promise<void> {
  const failures = () => admin.value<number>('select failed_count::int from pg_stat_archiver');
  await cluster.configure({ archive_command: 'false' });
  const before = await failures();
  await admin.query(`select pg_create_restore_point('something to archive')`);
  await admin.query('select pg_switch_wal()');
  await eventually('the archiver fails', async () => (await failures()) > before);
}
