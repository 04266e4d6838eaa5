// Waits for something that becomes true by itself, here or in a database.
import { eventually, type Patience } from '../../dev/harness/eventually.ts';
import type { SqlClient } from './sql-client.ts';

export { eventually, type Patience } from '../../dev/harness/eventually.ts';

/** Resolves with the first row that the query returns; on failure the error names the query and its parameters. */
export function eventuallyRow<R = Record<string, unknown>>(
  client: SqlClient,
  text: string,
  params: unknown[] = [],
  patience: Patience = {},
): Promise<R> {
  const ask = async () => (await client.query<R & object>(text, params))[0];
  return eventually<R | undefined>(`a row from ${text} with ${JSON.stringify(params)}`, ask, patience);
}
