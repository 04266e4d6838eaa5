// Somebody forgets the WHERE of an UPDATE, and the tellers go on.
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../harness/eventually.ts';
import type { SqlClient } from '../harness/sql-client.ts';
import type { EmbeddedCluster } from '../embedded/cluster.ts';
import type { Acknowledged, Load } from './bank.ts';
import type { Stage } from './stage.ts';

export interface Mistake {
  /** The last whole second before it, as --target-time takes it. */
  secondBefore: string;
  /** What had been acknowledged by then. */
  promised: Acknowledged;
  /** How many transfers had been committed when it was made. */
  transfers: number;
}

export async function makeMistake(stage: Stage, server: EmbeddedCluster, load: Load): Promise<Mistake> {
  const { tell } = stage;
  tell.step('The accident: an UPDATE whose WHERE was forgotten');
  await load.more(1000);
  const dba = await stage.connect(server.url());
  const { second, promised } = await wholeSecond(dba, load);
  tell.say(`${load.transfers} transfers committed, and all is well`);
  const clock = 'SELECT clock_timestamp()::text AS now';
  tell.sql('dba', `${clock};`);
  tell.rows(await dba.query(clock));
  const update = 'UPDATE savings SET balance = 0';
  tell.sql('dba', `${update};`);
  await dba.query(update);
  const { transfers } = load;
  tell.rows(await dba.query('select sum(balance) as savings from savings'));
  await dba.close();
  return { secondBefore: second, promised, transfers };
}

/** Resolves a moment after a whole second on the server's clock, with what had been acknowledged just before it. */
async function wholeSecond(
  client: SqlClient,
  load: Load,
): Promise<{ second: string; promised: Acknowledged }> {
  const clock = async () =>
    Number(await client.value('select extract(epoch from clock_timestamp())::float8'));
  for (;;) {
    const now = await clock();
    const second = Math.ceil(now);
    await sleep(Math.max(0, (second - now) * 1000 - 30));
    const promised = [...load.acknowledged];
    // A machine that is busy may have let it pass.
    if ((await clock()) >= second) continue;
    await eventually('that second has begun', async () => (await clock()) >= second + 0.3, { every: 20 });
    const text = new Date(second * 1000).toISOString().replace('T', ' ').replace('.000Z', '+00');
    return { second: text, promised };
  }
}
