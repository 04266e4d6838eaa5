// A server that archives through "holdfast wal push", backed up with tar, and restored through "holdfast wal fetch".
import type { ExecutionContext } from 'ava';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { restoredCopy, tarOf, type Copy } from './restored-copy.ts';
import { connect, type SqlClient } from './sql-client.ts';
import type { ArchivingServer } from './wal.ts';

/** With the calls that each version has. */
export async function backUp(client: SqlClient, source: TestCluster): Promise<Copy> {
  const [start, stop] =
    source.version >= 15
      ? [`pg_backup_start('base', true)`, 'pg_backup_stop(false)']
      : [`pg_start_backup('base', true, false)`, 'pg_stop_backup(false, false)'];
  await client.query(`select ${start}`);
  const tar = await tarOf(source);
  const label = await client.value<string>(`select labelfile from ${stop}`);
  return { source, tar, label };
}

/** Resolves when all that was written until now is in the archive. */
export async function archiveAll(client: SqlClient, { cluster }: ArchivingServer): Promise<void> {
  const last = await client.value<string>('select pg_walfile_name(pg_current_wal_insert_lsn())');
  await client.query(`select pg_create_restore_point('archive it')`);
  await client.query('select pg_switch_wal()');
  await eventually(`${last} of ${cluster.version} is archived`, () =>
    client.value('select last_archived_wal >= $1 from pg_stat_archiver', [last]),
  ).catch(async (error: unknown) => {
    const archiver = await client.value<string>('select row_to_json(a)::text from pg_stat_archiver a');
    throw new Error(`the archiver: ${archiver}`, { cause: error });
  });
}

export async function restored(
  t: ExecutionContext,
  { restoreCommand }: ArchivingServer,
  copy: Copy,
  settings: Record<string, string>,
): Promise<SqlClient> {
  const cluster = await restoredCopy(t, copy, {
    restore_command: restoreCommand,
    recovery_target_timeline: 'latest',
    archive_command: 'false',
    ...settings,
  });
  return connect(t, cluster.url());
}
