/** What the queue adds to PostgreSQL's own functions: from INSERT to running, and from done to the label. */
import { setTimeout as sleep } from 'node:timers/promises';
import pgListen from 'pg-listen';
import type { Connection } from '../../src/database/connection.ts';
import type { Setting } from './setting.ts';

export interface Latencies {
  start: number[];
  stop: number[];
}

/**
 * In turns, so that both see the same machine: pg_backup_start(label, true) and pg_backup_stop(false) on an
 * open connection; and a client that listens, inserts, finishes, and reads its label once the notification
 * says that it is there. Before the bare start the same row is inserted, for nobody: its pages are what a
 * checkpoint right after an INSERT has to write, whoever asks for it. The bare session is a new one each time, too,
 * since every request has its own: a backend's first touch of the server's shared memory costs some milliseconds.
 */
export async function compareLatencies(
  setting: Setting,
  rounds: number,
): Promise<{ bare: Latencies; queue: Latencies }> {
  const db = await setting.connect();
  const client = await listeningClient(setting.url);
  await db.query(`insert into holdfast.cluster (name) values ('${elsewhere}') on conflict do nothing`);
  const bare: Latencies = { start: [], stop: [] };
  const queue: Latencies = { start: [], stop: [] };
  for (let round = 0; round < rounds; round += 1) {
    await untilArchived(db);
    if (round % emptyEvery === 0) await setting.emptyArchive();
    const unserved = await insertRequest(db, round, elsewhere);
    const session = await setting.connect();
    bare.start.push(await timed(() => session.query(`select pg_backup_start('bench ${round}', true)`)));
    await db.query(`update holdfast.backup_request set state = 'cancelled' where id = ${unserved}`);
    bare.stop.push(await timed(() => session.query('select * from pg_backup_stop(false)')));
    await session.close();

    await untilArchived(db);
    const id = await insertRequest(db, round, 'main');
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

/** Rounds. */
const emptyEvery = 20;
/** No worker serves it. */
const elsewhere = 'elsewhere';

async function insertRequest(db: Connection, round: number, cluster: string): Promise<number> {
  const [row] = await db.query(
    `insert into holdfast.backup_request (label, cluster, fast) values ('bench ${round}', $1, true) returning id`,
    [cluster],
  );
  return Number(row?.id);
}

/** Both begin on a machine that is not copying the last round's WAL. */
async function untilArchived(db: Connection): Promise<void> {
  const waiting = `select count(*)::integer as files from pg_ls_archive_statusdir() where name like '%.ready'`;
  for (;;) {
    const [row] = await db.query(waiting);
    if (row?.files === 0) return;
    await sleep(5);
  }
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
