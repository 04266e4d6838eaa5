// A restore as a DBA does it by hand: extract, put label and map in place, say where the WAL is, start.
import { join } from 'node:path';
import { createCluster, type EmbeddedCluster } from '../embedded/cluster.ts';
import { asServerUser } from '../embedded/server-user.ts';
import { empty, extract } from './copy.ts';

export interface Backup {
  base: string;
  /** The tablespace's tar, and where tablespace_map says that it belongs. */
  tablespace: { tar: string; location: string };
  label: Buffer | undefined;
  map: Buffer | undefined;
  restoreCommand: string;
}

/** A server on the restored copy, running. @throws Error with the end of the server's log, where it refuses */
export async function restore(backup: Backup): Promise<EmbeddedCluster> {
  const cluster = await createCluster({ empty: true });
  try {
    await extract(backup.base, cluster.dataDirectory);
    await empty(backup.tablespace.location);
    await extract(backup.tablespace.tar, backup.tablespace.location);

    const files = { backup_label: backup.label, tablespace_map: backup.map, 'recovery.signal': Buffer.alloc(0) };
    for (const [name, content] of Object.entries(files)) {
      if (content) await asServerUser.writeFile(join(cluster.dataDirectory, name), content);
    }
    await cluster.appendSettings({ restore_command: backup.restoreCommand, archive_mode: 'off' });
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.remove();
    throw error;
  }
}

/** The server's own last word, out of what it logged. */
export function lastWord(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const fatal = text.split('\n').filter((line) => /\b(FATAL|PANIC):/.test(line));
  return (fatal[0] ?? text).replace(/^.*?(FATAL|PANIC): +/, '$1:  ');
}
