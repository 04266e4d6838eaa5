/** What a worker costs that has nothing to do. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Setting } from './setting.ts';

export interface Idle {
  queriesPerSecond: number;
  cpuPercent: number;
  memory: number;
}

/** Counts the statements in the server log, by the application names that the worker's sessions have. */
export async function idleFor(setting: Setting, seconds: number): Promise<Idle> {
  const db = await setting.connect();
  await db.query(`alter system set log_statement = 'all'`);
  await db.query('select pg_reload_conf()');
  await sleep(1000);
  const before = await statements(setting);
  const cpuBefore = await setting.worker.cpu();
  await sleep(seconds * 1000);
  const counted = (await statements(setting)) - before;
  const cpu = (await setting.worker.cpu()) - cpuBefore;
  await db.query('alter system reset log_statement');
  await db.query('select pg_reload_conf()');
  await db.close();
  return {
    queriesPerSecond: counted / seconds,
    cpuPercent: (cpu / seconds) * 100,
    memory: (await setting.worker.memory()).now,
  };
}

async function statements(setting: Setting): Promise<number> {
  const log = await readFile(setting.server.logFile, 'utf8');
  return log.match(/ holdfast [^\n]*LOG: {2}(statement|execute)/g)?.length ?? 0;
}
