/**
 * Who is compared: each has a full backup, adds one with what has changed since its own latest, and restores the third
 * of these.
 */
import { join } from 'node:path';
import { Connection } from '../../src/database/connection.ts';
import type { RunningProcess } from '../../dev/harness/children.ts';
import { requestCopy, startBenchWorker } from '../copy/holdfast.ts';
import { asPostgres, sh } from '../copy/shell.ts';
import type { SummarizingServer } from './server.ts';
import { program } from '../programs.ts';

export interface IncrementalPeer {
  name: string;
  /** The full backup. */
  prepare(): Promise<void>;
  /** The next incremental one. */
  backUp(): Promise<void>;
  /** Restores the third incremental one into a directory that is not there, until all is on the disk. */
  restore(into: string): Promise<void>;
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

/** The incremental backups of the chain that is restored. */
export const links = 3;

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
  const made: number[] = [];
  const backUp = async (incremental: boolean) => {
    const id = await requestCopy(db, { level, incremental });
    const [done] =
      (await db?.query('select parent, warnings from holdfast.backup_request where id = $1', [id])) ?? [];
    if (incremental && done?.['parent'] === null) throw new Error(String(done['warnings']));
    made.push(id);
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
    restore: async (into) =>
      void (await asPostgres(
        `XDG_CACHE_HOME=${server.directory}/cache ${process.execPath} ${program} restore ${made[links]} --repository ${place} --to ${into} --jobs ${jobs} --target-immediate`,
      )),
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
    async restore(into) {
      const extracted = `${place}/extracted`;
      const all = Array.from({ length: links + 1 }, (_, link) => String(link));
      const extract = all.map(
        (link) =>
          `mkdir -m 700 -p ${extracted}/${link}; tar -xf ${place}/${link}/base.tar -C ${extracted}/${link}; cp ${place}/${link}/backup_manifest ${extracted}/${link}`,
      );
      const combine = `${server.programs}/pg_combinebackup -o ${into} ${all.map((link) => `${extracted}/${link}`).join(' ')}`;
      await asPostgres(`set -e; ${extract.join('; ')}; ${combine}`);
      await asPostgres(`rm -rf ${extracted}`);
    },
  };
}

function pgBackRestBlockIncremental(
  server: SummarizingServer,
  { level, jobs, pgBackRest }: PeerOptions & { pgBackRest: string },
): IncrementalPeer {
  const place = join(server.directory, 'pgbackrest');
  const inRepository = `--stanza=bench --repo1-path=${place} --lock-path=${place}/lock --log-path=${place}/log --log-level-console=error`;
  const options = `${inRepository} --pg1-path=${server.dataDirectory} --pg1-port=${server.port} --pg1-socket-path=${server.directory}`;
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
    async restore(into) {
      const set = `$(ls ${place}/backup/bench | grep '^[0-9]' | sort | sed -n ${links + 1}p)`;
      await asPostgres(
        `mkdir -m 700 ${into}; ${pgBackRest} ${inRepository} --pg1-path=${into} --process-max=${jobs} --set="${set}" --type=immediate restore`,
      );
    },
  };
}
