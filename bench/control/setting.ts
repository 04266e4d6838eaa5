/** One server with fsync on, Holdfast installed, and a worker in a process of its own. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCluster, type EmbeddedCluster } from '../../dev/embedded/cluster.ts';
import { Connection } from '../../src/database/connection.ts';
import { install } from '../../src/control/install-schema.ts';
import { launch } from '../../dev/harness/children.ts';
import { program } from '../programs.ts';

export interface Setting {
  server: EmbeddedCluster;
  url: string;
  connect(applicationName?: string): Promise<Connection>;
  worker: Worker;
  /** Every backup adds a segment; nobody will restore them. */
  emptyArchive(): Promise<void>;
  end(): Promise<void>;
}

export interface Worker {
  pid: number;
  /** Resident memory now and at its peak, in MB. */
  memory(): Promise<{ now: number; peak: number }>;
  /** Seconds of CPU used so far. */
  cpu(): Promise<number>;
  stop(): Promise<void>;
}

export async function makeSetting(): Promise<Setting> {
  const server = await createCluster({
    settings: {
      fsync: 'on',
      synchronous_commit: 'on',
      shared_buffers: '256MB',
      max_connections: '300',
      log_line_prefix: '%m [%p] %a ',
    },
  });
  await server.start();
  const url = server.url();
  const connect = (applicationName = 'bench') => Connection.open({ url, applicationName });
  const db = await connect();
  await install(db, 'holdfast');
  await db.close();
  const labels = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  const worker = await startWorker(url, labels);
  return {
    server,
    url,
    connect,
    worker,
    async emptyArchive() {
      for (const name of await readdir(server.archiveDirectory))
        await rm(join(server.archiveDirectory, name));
    },
    async end() {
      await worker.stop();
      await server.remove();
      await rm(labels, { recursive: true, force: true });
    },
  };
}

async function startWorker(url: string, labels: string): Promise<Worker> {
  const env = { ...process.env, DATABASE_URL: url, HOLDFAST_LABELS: labels, HOLDFAST_MAX_HELD: '120' };
  const child = await launch(process.execPath, [program, 'worker'], { env });
  await child.untilLine(/\bready\b/);
  const { pid } = child;
  return {
    pid,
    async memory() {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      const megabytes = (name: string) =>
        Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
      return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') };
    },
    async cpu() {
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    async stop() {
      child.kill('SIGTERM');
      await child.exited;
    },
  };
}
