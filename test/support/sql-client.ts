// A test's own connection to a server, which ends with the test.
import type { Teardown } from '../../dev/harness/children.ts';
import { openClient, type SqlClient } from '../../dev/harness/sql-client.ts';

export { openClient, withClient, type Row, type SqlClient } from '../../dev/harness/sql-client.ts';

/** A connection that is closed when the test ends. */
export async function connect(t: Teardown, url: string): Promise<SqlClient> {
  const client = await openClient(url);
  t.teardown(() => client.close());
  return client;
}
