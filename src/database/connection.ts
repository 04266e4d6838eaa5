/**
 * One connection to PostgreSQL, and the only importer of pg. A connection knows when the connection is lost, and
 * can be closed or cut. A query that exceeds its timeout cuts the connection: nothing else ends the wait on a
 * half-open connection.
 */
import pg from 'pg';
import { ConnectionLoss } from './connection-loss.ts';
import { connectionError } from './connection-error.ts';
import { passwordFromFile } from './password-file.ts';
import { sessionSettings } from './session-settings.ts';
import { bind, statement, type StatementValue } from './statements.ts';
import { defaultHost, systemUser } from './libpq-defaults.ts';

/** How to connect. */
export interface ConnectOptions {
  /** A postgres:// URL; undefined: libpq's environment variables and .pgpass are used. */
  url?: string | undefined;
  applicationName?: string;
  /** The schema for named statements; undefined: holdfast. */
  schema?: string;
  /** Milliseconds; undefined: ten seconds. */
  connectTimeout?: number;
  /** Whether disableTimeouts() is called after connecting. */
  lasting?: boolean;
  onNotice?: (notice: Notice) => void;
}

/** A notice of the server. */
export interface Notice {
  severity: string;
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
}

/** The limits of one query. */
export interface QueryOptions {
  /** Milliseconds after which the connection is cut and the query fails. */
  timeout?: number;
}

/** A row of a result, by column name. */
export type Row = Record<string, any>;

/** An error of PostgreSQL, with SQLSTATE, detail and hint. */
export { DatabaseError as ServerError } from 'pg';

/** The SQLSTATE query_canceled: by a user, or by statement_timeout (PostgreSQL's errcodes.txt). */
export const queryCancelled = '57014';

// These defaults hold for every client, including the client of pg-listen. pg prints a warning if pg reads the
// password file itself.
pg.defaults.password = passwordFromFile as unknown as string;

/** A connection whose queries run one after another. */
export class Connection {
  readonly #client: pg.Client;
  readonly #options: ConnectOptions;
  readonly #schema: string;
  readonly #loss = new ConnectionLoss();
  #inFlight = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #statementLimit: number | undefined;
  #prepares = false;
  /** As in server_version_num, such as 180004. */
  serverVersion = 0;

  private constructor(client: pg.Client, options: ConnectOptions) {
    this.#client = client;
    this.#options = options;
    this.#schema = options.schema ?? 'holdfast';
    client.on('error', (error) => this.#loss.onError(error));
    client.on('notice', (notice) => this.#loss.onNotice(notice));
    client.on('end', () => this.#loss.onClose(new Error('the connection was closed by the server')));
  }

  /** Opens a connection. @throws HoldfastError `connection_failed` */
  static async open(options: ConnectOptions): Promise<Connection> {
    const client = clientFor(options);
    const connection = new Connection(client, options);
    if (options.onNotice) {
      client.on('notice', ({ severity, message, detail, hint }) =>
        options.onNotice?.({ severity: severity ?? 'NOTICE', message: message ?? '', detail, hint }),
      );
    }
    try {
      await client.connect();
      const [row] = await connection.query('show server_version_num', [], {
        timeout: options.connectTimeout ?? 10_000,
      });
      connection.serverVersion = Number(row?.server_version_num);
      if (options.lasting) await connection.disableTimeouts();
    } catch (error) {
      connection.cut();
      throw connectionError(error, client);
    }
    return connection;
  }

  /** Opens a second connection with the same options. */
  another(): Promise<Connection> {
    return Connection.open(this.#options);
  }

  /**
   * Turns off every server setting that could end this session, and makes both sides notice when the other side is
   * gone.
   */
  async disableTimeouts(): Promise<void> {
    await this.query(sessionSettings(this.serverVersion), [], { timeout: 10_000 });
  }

  /**
   * From now on, named statements are prepared, so that the server parses them once. Must not be used through a
   * connection pooler.
   */
  prepareStatements(): void {
    this.#prepares = true;
  }

  /**
   * The process ID from the server's BackendKeyData message. Behind a connection pooler, this is not the backend
   * that runs the queries.
   */
  get backendKey(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  get isLost(): boolean {
    return this.#loss.reason !== undefined;
  }

  /** Whether a transaction block was open after the last query that has succeeded. */
  get isInTransaction(): boolean {
    return (this.#client.getTransactionStatus() ?? 'I') !== 'I';
  }

  /** Whether a query is running or waiting. */
  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  /** Sets the timeout of queries without a timeout of their own. Milliseconds. */
  limitStatements(timeout: number): void {
    this.#statementLimit = timeout;
  }

  /** Calls the listener once when the connection is lost or closed; at once if the connection is lost already. */
  onLost(listener: (reason: Error) => void): void {
    this.#loss.listen(listener);
  }

  /** Resolves once the connection is lost, with the reason that includes what the server says last. */
  untilLost(): Promise<Error> {
    return new Promise((resolve) => this.onLost(resolve));
  }

  /**
   * Runs a query, or several without values, and returns the rows of all of them.
   * @throws ServerError; the reason of the loss where the connection is lost
   */
  async query<T extends Row = Row>(
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<T[]> {
    return (
      await this.#send<T>(values.length > 0 ? { text, values: [...values] } : { text }, options)
    ).flat();
  }

  /** Like `query`, for one statement or several. Returns the rows of each statement. */
  queryEach(text: string, options: QueryOptions = {}): Promise<Row[][]> {
    return this.#send({ text }, options);
  }

  async #send<T extends Row>(query: pg.QueryConfig, options: QueryOptions): Promise<T[][]> {
    this.#loss.throwIfLost();
    const answer = this.#inTurn<pg.QueryResult<T> | pg.QueryResult<T>[]>(() => this.#client.query<T>(query));
    this.#inFlight += 1;
    const timeout = options.timeout ?? this.#statementLimit;
    let timer: NodeJS.Timeout | undefined;
    let lose: ((reason: Error) => void) | undefined;
    try {
      const interrupted = new Promise<never>((_, reject) => {
        lose = reject;
        this.#loss.listen(reject);
        if (timeout === undefined) return;
        timer = setTimeout(
          () => this.cut(new Error(`the server did not answer within ${timeout} ms`)),
          timeout,
        );
      });
      const result = await Promise.race([answer, interrupted]);
      return [result].flat().map(({ rows }) => rows);
    } catch (error) {
      this.#loss.onQueryError(error);
      throw error;
    } finally {
      clearTimeout(timer);
      if (lose) this.#loss.ignore(lose);
      this.#inFlight -= 1;
      answer.catch(() => undefined);
    }
  }

  /**
   * Runs queries one after another, since many callers use a monitor session at the same time. The queue of pg
   * ends with release 9 of pg, and pg prints a warning about its use.
   */
  #inTurn<T>(send: () => Promise<T>): Promise<T> {
    const answer = this.#turn.then(() => {
      this.#loss.throwIfLost();
      return send();
    });
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  /** Runs a named statement of `sql/queries`. */
  run<T extends Row = Row>(
    file: string,
    name: string,
    values: Record<string, StatementValue> = {},
    options: QueryOptions = {},
  ): Promise<T[]> {
    const bound = bind(statement(file, name), this.#schema, values);
    return this.#prepares
      ? this.#send<T>({ ...bound, name: `${file}.${name}` }, options).then((rows) => rows.flat())
      : this.query<T>(bound.text, bound.values, options);
  }

  /** Runs `work` in a transaction. A failure rolls the transaction back. */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query('begin isolation level read committed');
    try {
      const result = await work();
      await this.query('commit');
      return result;
    } catch (error) {
      if (!this.isLost) await this.query('rollback').catch(() => this.cut());
      throw error;
    }
  }

  /** Closes the session; cuts the connection when the server does not answer within two seconds. */
  async close(): Promise<void> {
    if (this.#loss.isComplete) return;
    const cut = setTimeout(() => this.cut(), 2000);
    await this.#client.end().catch(() => undefined);
    clearTimeout(cut);
    this.#loss.cut(new Error('the connection is closed'));
  }

  /** Closes the socket without a message to the server. */
  cut(reason: Error = new Error('the connection was cut')): void {
    this.#loss.cut(reason);
    const { connection } = this.#client as unknown as { connection: { stream: { destroy(): void } } };
    connection.stream.destroy();
  }
}

/** Creates the client. pg reads certificate files that are named in the URL at once, which may fail. */
function clientFor(options: ConnectOptions): pg.Client {
  try {
    return new pg.Client(clientConfig(options));
  } catch (error) {
    throw connectionError(error);
  }
}

/** The configuration of pg for these options; pg-listen opens its own connection with the same configuration. */
export function clientConfig(options: ConnectOptions): pg.ClientConfig {
  const { url } = options;
  return {
    ...(url === undefined ? defaultHost() : { connectionString: url }),
    application_name: options.applicationName ?? 'holdfast',
    connectionTimeoutMillis: options.connectTimeout ?? 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
  };
}

// Like libpq without a user name: uses the name of the operating system user. pg uses $USER, which services do not
// have.
pg.defaults.user ??= systemUser();

type TypeId = Parameters<typeof pg.types.getTypeParser>[0];

/** Parses 64-bit integers as numbers. Values that may exceed 2^53 are selected as text. */
function typeParser(oid: TypeId, format?: 'text'): unknown {
  return oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format);
}
