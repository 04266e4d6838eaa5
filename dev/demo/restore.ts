// A restore as a DBA does it by hand: extract, put label and map in place, say where the WAL is, start.
import { join } from 'node:path';
import { createCluster, type EmbeddedCluster } from '../embedded/cluster.ts';
import { asServerUser } from '../embedded/server-user.ts';
import { empty, extract } from './copy.ts';

export interface Backup {
  base: string;
  /** The tablespace's tar, and where tablespace_map says that it belongs. */
  tablespace: { tar: string; location: string };
  label: Buffer;
  map: Buffer;
  /** The last WAL segment that it needs. */
  stopWal: string;
  restoreCommand: string;
}

/**
 * A server on the restored copy, running. `byTheBook` is what the manual says; otherwise the copy is started as it is.
 * @throws Error with the end of the server's log, where it refuses
 */
export async function restore(backup: Backup, byTheBook: boolean): Promise<EmbeddedCluster> {
  const cluster = await createCluster({ empty: true });
  const { dataDirectory } = cluster;
  try {
    await extract(backup.base, dataDirectory);
    await empty(backup.tablespace.location);
    await extract(backup.tablespace.tar, backup.tablespace.location);
    if (byTheBook) {
      await empty(join(dataDirectory, 'pg_wal'));
      await asServerUser.writeFile(join(dataDirectory, 'backup_label'), backup.label);
      await asServerUser.writeFile(join(dataDirectory, 'tablespace_map'), backup.map);
      await asServerUser.writeFile(join(dataDirectory, 'recovery.signal'), '');
      await cluster.appendSettings({ restore_command: backup.restoreCommand });
    }
    // It must not add to the archive of the server that was lost.
    await cluster.appendSettings({ archive_mode: 'off' });
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.remove();
    throw error;
  }
}

/** With what words a server refused to start; undefined: that is not what went wrong. */
export function lastWord(error: unknown): string | undefined {
  const lines = error instanceof Error ? error.message.split('\n') : [];
  const [, severity, message] = lines.map((line) => /\b(FATAL|PANIC): +(.*)/.exec(line)).find(Boolean) ?? [];
  return severity === undefined ? undefined : `${severity}: ${message}`;
}
