/** Who is compared: each has a full backup, and adds one with what has changed since its own latest. */
import { join } from 'node:path';
import { Connection } from '../../src/database/connection.ts';
import type { RunningProcess } from '../../dev/harness/children.ts';
import { startBenchWorker } from '../copy/holdfast.ts';
import { asPostgres, sh } from '../copy/shell.ts';
import type { SummarizingServer } from './server.ts';

export interface IncrementalPeer {
  name: string;
  /** The full backup. */
  prepare(): Promise<void>;
  /** The incremental one. */
  backUp(): Promise<void>;
  end?(): Promise<void>;
}

export interface PeerOptions {
  /** The zstd level. */
  level: number;
  /** Processes or threads. */
  jobs: number;
  /** The program of pgBackRest; undefined: it is not compared. */
  pgBackRest: string | undefined;
}

export function incrementalPeers(server: SummarizingServer, options: PeerOptions): IncrementalPeer[] {
  const { pgBackRest } = options;
  return [
    holdfastIncremental(server, options),
    pgBaseBackupIncremental(server),
    ...(pgBackRest === undefined ? [] : [pgBackRestBlockIncremental(server, { ...options, pgBackRest })]),
  ];
}

function holdfastIncremental(server: SummarizingServer, { level, jobs }: PeerOptions): IncrementalPeer {
  const place = join(server.directory, 'repository');
  let worker: RunningProcess | undefined;
  let db: Connection | undefined;
  const backUp = async (incremental: boolean) => {
    if (db === undefined) throw new Error('it is not prepared');
    const [row] = await db.query(
      `insert into holdfast.backup_request (method, fast, compress_level, incremental)
       values ('copy', true, $1, $2) returning id`,
      [level, incremental],
    );
    await db.query('call holdfast.wait_for_backup($1)', [row?.['id']]);
    const [made] = await db.query('select parent, warnings from holdfast.backup_request where id = $1', [
      row?.['id'],
    ]);
    if (incremental && made?.['parent'] === null) throw new Error(String(made['warnings']));
  };
  return {
    name: `Holdfast (jobs = ${jobs})`,
    async prepare() {
      await sh(`install -d -o postgres -m 700 ${place} ${server.directory}/labels ${server.directory}/cache`);
      worker = await startBenchWorker(server, place, jobs);
      db = await Connection.open({ url: server.url });
      await backUp(false);
    },
    backUp: () => backUp(true),
    async end() {
      await db?.close();
      worker?.kill('SIGTERM');
      await worker?.exited;
    },
  };
}

/** It neither compresses nor verifies. */
function pgBaseBackupIncremental(server: SummarizingServer): IncrementalPeer {
  const place = join(server.directory, 'pg_basebackup');
  let number = 0;
  const backUp = async (options: string) => {
    await asPostgres(
      `${server.programs}/pg_basebackup -h ${server.directory} -p ${server.port} -D ${place}/${number} -Ft --checkpoint=fast --manifest-checksums=CRC32C ${options}`,
    );
    number += 1;
  };
  return {
    name: 'pg_basebackup -Ft --incremental',
    async prepare() {
      await sh(`install -d -o postgres -m 700 ${place}`);
      await backUp('');
    },
    backUp: () => backUp(`--incremental=${place}/${number - 1}/backup_manifest`),
  };
}

function pgBackRestBlockIncremental(
  server: SummarizingServer,
  { level, jobs, pgBackRest }: PeerOptions & { pgBackRest: string },
): IncrementalPeer {
  const place = join(server.directory, 'pgbackrest');
  const options = [
    `--stanza=bench --repo1-path=${place} --lock-path=${place}/lock --log-path=${place}/log`,
    `--log-level-console=error --pg1-path=${server.dataDirectory}`,
    `--pg1-port=${server.port} --pg1-socket-path=${server.directory}`,
  ].join(' ');
  const ofBackup = `--compress-type=zst --compress-level=${level} --process-max=${jobs} --repo1-bundle --repo1-block`;
  const backUp = async (type: 'full' | 'incr') => {
    await asPostgres(
      `${pgBackRest} ${options} ${ofBackup} --repo1-retention-full=1 --type=${type} --start-fast --no-archive-check backup`,
    );
  };
  return {
    name: `pgBackRest, block incremental (process-max=${jobs})`,
    async prepare() {
      await sh(`install -d -o postgres -m 700 ${place} ${place}/log ${place}/lock`);
      await asPostgres(`${pgBackRest} ${options} --no-online stanza-create`);
      await backUp('full');
    },
    backUp: () => backUp('incr'),
  };
}
