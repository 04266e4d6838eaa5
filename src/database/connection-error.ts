/**
 * Why there is no connection. libpq's variables accept whole URLs and connection strings where a host or a database
 * belongs; pg takes them for names, and so do it and the server in what they say. So names are shown that are harmless.
 */
import { HoldfastError, messageOf } from '../errors.ts';
import { redact } from '../redact.ts';

/** Whom pg has tried to reach. */
export interface WantedConnection {
  host: string;
  port: number;
  database?: string | undefined;
  user?: string | undefined;
}

/** SQLSTATE: of the server, of the role or of the database there are as many connections as there may be. */
const tooManyConnections = '53300';

const another = (what: string) =>
  `give another ${what} with --database-url, DATABASE_URL or libpq's variables (PGHOST, PGPORT, PGUSER, PGDATABASE, …)`;

const notLetIn = `see that the role is there (\\du in psql), that pg_hba.conf lets it in, and that ~/.pgpass has its password; or ${another('user')}`;

/** What to do about a server that answers, by SQLSTATE. */
const hints: Readonly<Record<string, string>> = {
  [tooManyConnections]:
    'wait until a connection is free, or raise max_connections or the CONNECTION LIMIT of the role or the database',
  '28000': notLetIn,
  '28P01': notLetIn,
  '3D000': `see which databases are there with psql --list; or ${another('database')}`,
  // It is not only starting: without a hot standby, a server takes none until it has recovered.
  '57P03': 'wait until it has started or recovered: its log says how far it is',
};

/** Bytes: the server cuts longer names, and quotes them so. */
const longestName = 63;

/** Without `wanted`, pg could not even find out whom to reach. */
export function connectionError(error: unknown, wanted?: WantedConnection): HoldfastError {
  const { host = '', port, database = '', user = '' } = wanted ?? {};
  const where =
    wanted === undefined
      ? ''
      : ` at ${shownHost(host)}:${port}, database "${shown(database)}", user "${shownUser(user)}"`;
  const reason = without(messageOf(error), [
    [host, shownHost(host)],
    [database, shown(database)],
    [user, shownUser(user)],
  ]);
  return new HoldfastError('failed', `cannot connect to PostgreSQL${where}: ${reason}`, {
    code: 'connection_failed',
    hint:
      hints[codeOf(error) ?? ''] ??
      `see that the server runs there and takes connections; or ${another('address')}`,
    cause: error,
  });
}

/** Whether an error of Connection.open() means that the server answers, and has no connection free. */
export function hasNoConnectionFree(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'connection_failed' && isFull(error.cause);
}

function isFull(error: unknown): boolean {
  return codeOf(error) === tooManyConnections;
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

function shown(name: string): string {
  return redact(name) ?? '…';
}

/** IPv6 has colons, a directory of sockets may have anything but an "@". */
function shownHost(host: string): string {
  return /^[0-9a-f:.]+$|^\/[^@]*$/i.test(host) ? host : shown(host);
}

/** Managed servers have names of users with an "@". */
function shownUser(user: string): string {
  return /^[\w.@-]+$/.test(user) ? user : shown(user);
}

function without(text: string, names: [name: string, shown: string][]): string {
  let left = text;
  for (const [name, instead] of names) {
    if (name === instead) continue;
    const asServer = Buffer.from(name).subarray(0, longestName).toString();
    left = left.replaceAll(name, instead).replaceAll(asServer, instead);
  }
  return left;
}
