/** What the queue adds to PostgreSQL's own functions: from INSERT to running, and from done to the label. */
import pgListen from 'pg-listen';
import type { Connection } from '../../src/control/connection.ts';
import type { Setting } from './setting.ts';

export interface Latencies {
  start: number[];
  stop: number[];
}

/**
 * In turns, so that both see the same machine: pg_backup_start(label, true) and pg_backup_stop(false) on an
 * open connection; and a client that listens, inserts, finishes, and reads its label once the notification
 * says that it is there.
 */
export async function compareLatencies(
  setting: Setting,
  rounds: number,
): Promise<{ bare: Latencies; queue: Latencies }> {
  const db = await setting.connect();
  const client = await listeningClient(setting.url);
  const bare: Latencies = { start: [], stop: [] };
  const queue: Latencies = { start: [], stop: [] };
  for (let round = 0; round < rounds; round += 1) {
    bare.start.push(await timed(() => db.query(`select pg_backup_start('bench ${round}', true)`)));
    bare.stop.push(await timed(() => db.query('select * from pg_backup_stop(false)')));

    const [row] = await db.query(
      `insert into holdfast.backup_request (label, fast) values ('bench ${round}', true) returning id`,
    );
    const id = Number(row?.id);
    queue.start.push(await timed(() => client.until(id, 'running')));
    const finish = async () => {
      await db.query(`update holdfast.backup_request set state = 'done' where id = ${id}`);
      await client.until(id, 'archiving');
      await readLabel(db, id);
    };
    queue.stop.push(await timed(finish));
    await client.until(id, 'complete');
  }
  await client.close();
  await db.close();
  return { bare, queue };
}

async function readLabel(db: Connection, id: number): Promise<void> {
  const [row] = await db.query(`select backup_label from holdfast.backup_request where id = ${id}`);
  if (!String(row?.backup_label).startsWith('START WAL LOCATION'))
    throw new Error(`request ${id} has no label`);
}

async function listeningClient(url: string) {
  const subscriber = pgListen.default({ connectionString: url });
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  subscriber.notifications.on('holdfast_state', ({ id, state }: { id: number; state: string }) => {
    seen.add(`${id} ${state}`);
    waiting.get(`${id} ${state}`)?.();
    if (state === 'failed') throw new Error(`request ${id} has failed`);
  });
  await subscriber.connect();
  await subscriber.listenTo('holdfast_state');
  return {
    async until(id: number, state: string) {
      const key = `${id} ${state}`;
      if (!seen.has(key)) await new Promise<void>((resolve) => waiting.set(key, resolve));
      waiting.delete(key);
    },
    close: () => subscriber.close(),
  };
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
