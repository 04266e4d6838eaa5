// A worker whose label directory is on a disk that can be filled.
import type { ExecutionContext } from 'ava';
import { installedDatabase } from './installed-database.ts';
import { startWorkerProcess } from './process.ts';
import { smallDisk } from './small-disk.ts';
import { connect } from './sql-client.ts';

export async function labelDisk(t: ExecutionContext) {
  const disk = await smallDisk(t);
  const db = await installedDatabase(t);
  const worker = await startWorkerProcess(t, { url: db.url, env: { HOLDFAST_LABELS: disk.directory } });
  return { disk, worker, client: await connect(t, db.url) };
}
