// A test's own connection to a server, which ends with the test.
import type { ExecutionContext } from 'ava';
import { openClient, type SqlClient } from '../../dev/harness/sql-client.ts';

export { openClient, withClient, type Row, type SqlClient } from '../../dev/harness/sql-client.ts';

/** A connection that is closed when the test ends. */
export async function connect(t: ExecutionContext, url: string): Promise<SqlClient> {
  const client = await openClient(url);
  t.teardown(() => client.close());
  return client;
}
