/**
 * Who is compared: each makes one backup of the whole server onto the same file system, durably, zstd at one level, with
 * two processes or threads where it has a setting for them.
 */
import { join } from 'node:path';
import { holdfast } from './holdfast.ts';
import type { Peer } from './peer.ts';
import type { CopyServer } from './server.ts';
import { asPostgres, sh, sizeOf } from './shell.ts';

export function peers(server: CopyServer, level: number, jobs: number): Peer[] {
  return [
    holdfast(server, level, jobs),
    pgBaseBackup(server, level, jobs),
    pgBackRest(server, level, jobs),
    tarAndZstd(server, level, jobs),
  ];
}

/** The compression is in the server, whose memory is not counted. */
function pgBaseBackup(server: CopyServer, level: number, jobs: number): Peer {
  const place = join(server.directory, 'pg_basebackup');
  const compress = `server-zstd:level=${level},workers=${jobs}`;
  return {
    name: `pg_basebackup -Ft (${compress})`,
    clear: async () => void (await sh(`rm -rf ${place}`)),
    backUp: async () =>
      void (await asPostgres(
        `${server.programs}/pg_basebackup -h ${server.directory} -p ${server.port} -D ${place} -Ft --compress=${compress} --checkpoint=fast --manifest-checksums=CRC32C`,
      )),
    storedBytes: () => sizeOf(place),
  };
}

/** Where pgBackRest's backup is, for restores too. */
export function pgBackRestOptions(server: CopyServer): string {
  const place = join(server.directory, 'pgbackrest');
  return `--stanza=bench --repo1-path=${place} --lock-path=${place}/lock --log-path=${place}/log --log-level-console=error`;
}

/** Where that of tar and zstd is. */
export function tarFile(server: CopyServer): string {
  return join(server.directory, 'data.tar.zst');
}

function pgBackRest(server: CopyServer, level: number, jobs: number): Peer {
  const place = join(server.directory, 'pgbackrest');
  const ofServer = `--pg1-path=${server.dataDirectory} --pg1-port=${server.port} --pg1-socket-path=${server.directory}`;
  const options = `${pgBackRestOptions(server)} ${ofServer}`;
  return {
    name: `pgBackRest (process-max=${jobs})`,
    clear: async () =>
      void (await asPostgres(
        `rm -rf ${place}; mkdir -p ${place}/log ${place}/lock; pgbackrest ${options} --no-online stanza-create`,
      )),
    backUp: async () =>
      void (await asPostgres(
        `pgbackrest ${options} --type=full --compress-type=zst --compress-level=${level} --process-max=${jobs} --start-fast --no-archive-check backup`,
      )),
    storedBytes: () => sizeOf(place),
  };
}

/** Neither a checksum nor a manifest, nor a label: the floor. */
function tarAndZstd(server: CopyServer, level: number, jobs: number): Peer {
  const place = tarFile(server);
  const exclude = '--exclude=./pg_wal/* --exclude=./postmaster.*';
  return {
    name: `tar \\| zstd -T${jobs}, then sync`,
    clear: async () => void (await sh(`rm -f ${place}`)),
    backUp: async () =>
      void (await sh(
        `{ tar -C ${server.dataDirectory} ${exclude} -cf - . || [ $? = 1 ]; } | zstd -q -${level} -T${jobs} > ${place}; sync ${place}`,
      )),
    storedBytes: () => sizeOf(place),
  };
}
