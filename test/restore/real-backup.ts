// A backup of a real server by plain SQL, with a copy made at any moment of it: as much of the data directory as
// tells whether they belong together.
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { LabelledBackup } from '../../src/labels/labelled-backup.ts';
import type { TestCluster } from '../support/cluster.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

export interface RealBackup {
  client: SqlClient;
  stop(): Promise<LabelledBackup>;
}

export async function startRealBackup(t: ExecutionContext, cluster: TestCluster): Promise<RealBackup> {
  const client = await connect(t, cluster.url());
  const since15 = cluster.version >= 15;
  const start = since15 ? `pg_backup_start('real', true)` : `pg_start_backup('real', true, false)`;
  const stop = since15 ? 'pg_backup_stop(false)' : 'pg_stop_backup(false, false)';
  const startedAt = new Date().toISOString();
  const [begun] = await client.query<Record<string, string>>(
    `select lsn::text as "startLsn", pg_walfile_name(lsn) as "startWal",
       (select system_identifier::text from pg_control_system()) as "systemIdentifier",
       current_setting('server_version') as "serverVersion"
     from ${start} lsn`,
  );
  return {
    client,
    async stop() {
      const [ended] = await client.query<Record<string, string>>(
        `select lsn::text as "stopLsn", pg_walfile_name(lsn) as "stopWal", labelfile, spcmapfile from ${stop}`,
      );
      const { labelfile = '', spcmapfile = '', stopLsn = '', stopWal = '' } = ended ?? {};
      const { startLsn = '', startWal = '', systemIdentifier = '', serverVersion = '' } = begun ?? {};
      return {
        description: {
          id: 1,
          cluster: 'main',
          label: 'real',
          timeline: 1,
          startLsn,
          startWal,
          stopLsn,
          stopWal,
          systemIdentifier,
          serverVersion,
          startedAt,
          stoppedAt: new Date().toISOString(),
        },
        label: Buffer.from(labelfile),
        tablespaceMap: spcmapfile === '' ? null : Buffer.from(spcmapfile),
        state: 'complete',
        source: 'here',
      };
    },
  };
}

/** The files that are looked at, as they are now. */
export async function copyNow(t: ExecutionContext, cluster: TestCluster): Promise<string> {
  const from = cluster.dataDirectory ?? '';
  const to = join(await temporaryDirectory(t), 'copy');
  await mkdir(join(to, 'global'), { recursive: true, mode: 0o700 });
  for (const file of ['PG_VERSION', 'global/pg_control']) await copyFile(join(from, file), join(to, file));
  return to;
}

/** A backup that is over, and a copy from within it. */
export async function backupAndCopy(
  t: ExecutionContext,
  cluster: TestCluster,
): Promise<{ backup: LabelledBackup; copy: string }> {
  const real = await startRealBackup(t, cluster);
  const copy = await copyNow(t, cluster);
  return { backup: await real.stop(), copy };
}
