// A connection to a server of tests, benchmarks and the demo: plain SQL, as any client would send it.
import pg from 'pg';

export type Row = Record<string, unknown>;

export interface SqlClient {
  /** The server process, as the connection was told: what pg_backend_pid() returns, unless a pooler is in between. */
  readonly pid: number;
  /** Messages of NOTICE, WARNING and their like, oldest first. */
  readonly notices: { severity: string; message: string }[];
  /** What LISTEN brought, oldest first. */
  readonly notifications: { channel: string; payload: string }[];
  query<R = Row>(text: string, params?: unknown[]): Promise<R[]>;
  /** The first column of the first row. */
  value<V = unknown>(text: string, params?: unknown[]): Promise<V>;
  /** Resolves with the next notification that fits, which may have arrived already; each is handed out once. */
  notification(
    fits?: (payload: string, channel: string) => boolean,
  ): Promise<{ channel: string; payload: string }>;
  close(): Promise<void>;
}

/** A connection for one piece of work. */
export async function withClient<T>(url: string, work: (client: SqlClient) => Promise<T>): Promise<T> {
  const client = await openClient(url);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** A connection that the caller closes. */
export async function openClient(url: string): Promise<SqlClient> {
  const client = new pg.Client({ connectionString: url, application_name: 'holdfast-test' });
  // A server that goes away under a test is often the point of the test; queries under way fail all the same.
  client.on('error', () => {});
  const notices: SqlClient['notices'] = [];
  client.on('notice', ({ severity, message }) =>
    notices.push({ severity: severity ?? '', message: message ?? '' }),
  );

  const notifications: SqlClient['notifications'] = [];
  const unclaimed: SqlClient['notifications'] = [];
  const waiting = new Set<() => void>();
  client.on('notification', ({ channel, payload = '' }) => {
    notifications.push({ channel, payload });
    unclaimed.push({ channel, payload });
    for (const look of waiting) look();
  });

  await client.connect();
  let closed: Promise<void> | undefined;
  const run = async (text: string, params: unknown[]): Promise<unknown[]> => {
    // Without parameters the text may hold several statements; the last one's rows are returned then.
    const result: pg.QueryResult | pg.QueryResult[] =
      params.length === 0 ? await client.query(text) : await client.query(text, params);
    return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? [];
  };
  // Of several at once, each waits for the one before.
  let last: Promise<unknown> = Promise.resolve();
  const query = <R>(text: string, params: unknown[] = []): Promise<R[]> => {
    const rows = last.then(() => run(text, params));
    last = rows.catch(() => undefined);
    return rows as Promise<R[]>;
  };
  return {
    pid: (client as unknown as { processID: number }).processID,
    notices,
    notifications,
    query,
    async value<V>(text: string, params?: unknown[]) {
      const [row] = await query<Row>(text, params);
      if (!row) throw new Error(`no row from ${text}`);
      return Object.values(row)[0] as V;
    },
    notification(fits = () => true) {
      return new Promise((resolve) => {
        const look = () => {
          const index = unclaimed.findIndex(({ payload, channel }) => fits(payload, channel));
          const [found] = index < 0 ? [] : unclaimed.splice(index, 1);
          if (!found) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      });
    },
    close() {
      closed ??= client.end().catch(() => {});
      return closed;
    },
  };
}
