// The file in which the server notes a backup as it stops: pg_wal/<segment>.<offset>.backup.
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backup } from './backups.ts';
import { runProcess } from '../../dev/harness/children.ts';
import type { SqlClient } from './sql-client.ts';

export async function historyFileName(client: SqlClient, { start_lsn, start_wal }: Backup): Promise<string> {
  const offset = await client.value<string>(
    `select lpad(upper(to_hex((pg_wal_lsn_diff($1, '0/0')
       % (select pg_size_bytes(setting) from pg_settings where name = 'wal_segment_size'))::bigint)), 8, '0')`,
    [start_lsn],
  );
  return `${start_wal}.${offset}.backup`;
}

/** What backup_label was, as the server tells in the history file: all of it but the lines of the stop. */
export function labelFrom(history: Buffer): Buffer {
  const lines = history.toString('latin1').split(/(?<=\n)/);
  return Buffer.from(lines.filter((line) => !line.startsWith('STOP ')).join(''), 'latin1');
}

export interface HeldHistoryFile {
  /** Lets the server write its history file, and go on. */
  release(): Promise<void>;
}

/** Makes pg_backup_stop wait: a named pipe is where it wants to write. Archiving has to be failing meanwhile. */
export async function holdHistoryFile(dataDirectory: string, name: string): Promise<HeldHistoryFile> {
  const path = join(dataDirectory, 'pg_wal', name);
  await runProcess('mkfifo', ['-m', '666', path]);
  return {
    async release() {
      const { stdout } = await runProcess('cat', [path]);
      const whole = `${path}.whole`;
      await writeFile(whole, stdout, { mode: 0o644 });
      await rename(whole, path);
    },
  };
}

export async function forgetHistoryFile(dataDirectory: string, name: string): Promise<void> {
  await rm(join(dataDirectory, 'pg_wal', name), { force: true });
}
