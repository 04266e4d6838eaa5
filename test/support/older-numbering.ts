// The rows of the table migration as the numbers were before the first release; the tables are those of today.
import type { SqlClient } from './sql-client.ts';

export async function numberAsBefore(client: SqlClient): Promise<void> {
  await client.query(`delete from holdfast.migration`);
  await client.query(`insert into holdfast.migration (number, name)
    select n, name from unnest(array['schema-and-roles', 'clusters-and-workers', 'backup-requests', 'copy', 'wal-archive', 'verification', 'schedule', 'chore', 'retention', 'drill',
      'who-is-who', 'who-holds-a-lock', 'holds-beside-backups', 'damaged-page', 'wal-chain', 'recovery-left-behind',
      'archiver-by-state', 'archive-seen', 'origin-of-a-database', 'limits-by-login', 'origin-of-a-schema'])
      with ordinality applied (name, n)`);
}
