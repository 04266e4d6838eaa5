// What goes on in a server while it is backed up.
import type { ExecutionContext } from 'ava';
import { openClient, type SqlClient } from './sql-client.ts';

/** Does it again and again, in a session of its own, until the test is over or it is told to stop. */
export function again(
  t: ExecutionContext,
  url: string,
  work: (client: SqlClient, round: number) => Promise<unknown>,
): () => Promise<void> {
  let working = true;
  const done = (async () => {
    const client = await openClient(url);
    try {
      for (let round = 0; working; round += 1) await work(client, round);
    } finally {
      await client.close();
    }
  })();
  done.catch(() => undefined); // whoever stops it is told
  const stop = async () => {
    working = false;
    await done;
  };
  t.teardown(stop);
  return stop;
}

/** A pause of the load, in seconds, which leaves the server to others. Nobody waits for it. */
export function rest(client: SqlClient, seconds: number): Promise<unknown> {
  return client.query('select pg_sleep($1)', [seconds]);
}
