/**
 * The error for a connection that cannot be opened. libpq accepts whole URLs and connection strings in PGHOST and
 * PGDATABASE; pg takes the same text as a name, and pg and the server repeat that name in their messages. Such a
 * text may contain a password, so only harmless names are shown.
 */
import { HoldfastError, messageOf } from '../errors.ts';
import { redact } from '../redact.ts';

/** The server that pg has tried to reach. */
export interface WantedConnection {
  host: string;
  port: number;
  database?: string | undefined;
  user?: string | undefined;
}

/** SQLSTATE: the server, the role or the database has no connection free. */
const tooManyConnections = '53300';

const another = (what: string) =>
  `give another ${what} with --database-url, DATABASE_URL or libpq's variables (PGHOST, PGPORT, PGUSER, PGDATABASE, …)`;

const notLetIn = `check that the role exists (\\du in psql), that pg_hba.conf permits it, and that ~/.pgpass has its password; or ${another('user')}`;

/** What node-postgres says where SCRAM needs a password (pg/lib/crypto/sasl.js). */
const lacksPassword = /client password must be a/;
const givePassword =
  'put the password into ~/.pgpass (HOST:PORT:DATABASE:USER:PASSWORD, and nobody else may read the file), PGPASSWORD or the URL; or have pg_hba.conf let this role in without one';

/** Hints for errors of a server that answers, by SQLSTATE. */
const hints: Readonly<Record<string, string>> = {
  [tooManyConnections]:
    'wait until a connection is free, or raise max_connections or the CONNECTION LIMIT of the role or the database',
  '28000': notLetIn,
  '28P01': notLetIn,
  '3D000': `list the databases with psql --list; or ${another('database')}`,
  // The server is starting, or is a standby that takes no connections before the end of recovery (hot_standby =
  // off).
  '57P03': 'wait until the server has started or recovered: its log says how far it is',
};

/** Bytes. The server truncates longer names, also in its messages. */
const longestName = 63;

/** Builds the error. `wanted`: undefined if pg could not even determine the server. */
export function connectionError(error: unknown, wanted?: WantedConnection): HoldfastError {
  const { host = '', port, database = '', user = '' } = wanted ?? {};
  const where =
    wanted === undefined
      ? ''
      : ` at ${shownHost(host)}:${port}, database "${shown(database)}", user "${shownUser(user)}"`;
  const isWithoutPassword = lacksPassword.test(messageOf(error));
  const said = isWithoutPassword ? 'the server asks for a password, and none is given' : messageOf(error);
  const reason = without(said, [
    [host, shownHost(host)],
    [database, shown(database)],
    [user, shownUser(user)],
  ]);
  return new HoldfastError('failed', `cannot connect to PostgreSQL${where}: ${reason}`, {
    code: 'connection_failed',
    hint:
      (isWithoutPassword ? givePassword : hints[codeOf(error) ?? '']) ??
      `check that the server runs there and takes connections; or ${another('address')}`,
    cause: error,
  });
}

/** Whether an error of Connection.open() means that the server answers but has no connection free. */
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

/** An IPv6 address has colons. A socket directory may have any character but "@". */
function shownHost(host: string): string {
  return /^[0-9a-f:.]+$|^\/[^@]*$/i.test(host) ? host : shown(host);
}

/** User names of managed servers may contain an "@". */
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
