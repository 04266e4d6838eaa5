/**
 * One connection to PostgreSQL, and the only importer of pg. It knows when it is lost, can be closed or
 * cut, and gives up on a query that takes longer than it may by cutting itself: on a half-open connection
 * nothing else ends the wait.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import pg from 'pg';
import { connectionError } from './connection-error.ts';
import { passwordFromFile } from './password-file.ts';
import { sessionSettings } from './session-settings.ts';
import { bind, statement, type StatementValue } from './statements.ts';

export interface ConnectOptions {
  /** A postgres:// URL; without one, libpq's variables and .pgpass. */
  url?: string | undefined;
  applicationName?: string;
  /** The schema that named statements mean. */
  schema?: string;
  /** Milliseconds. */
  connectTimeout?: number;
  /** As disableTimeouts() says. */
  lasting?: boolean;
  onNotice?: (notice: Notice) => void;
}

export interface Notice {
  severity: string;
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
}

export interface QueryOptions {
  /** Milliseconds after which the connection is cut and the query fails. */
  timeout?: number;
}

export type Row = Record<string, any>;

/** Errors of PostgreSQL, with its own five-character code, detail and hint. */
export const ServerError = pg.DatabaseError;
export type ServerError = pg.DatabaseError;

// For every client, also pg-listen's. What pg reads by itself it warns of.
pg.defaults.password = passwordFromFile as unknown as string;

export class Connection {
  readonly #client: pg.Client;
  readonly #schema: string;
  #lost: Error | undefined;
  #inFlight = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #statementLimit: number | undefined;
  #prepares = false;
  readonly #onLost = new Set<(reason: Error) => void>();
  /** The server's version as a number, such as 180004. */
  serverVersion = 0;

  private constructor(client: pg.Client, schema: string) {
    this.#client = client;
    this.#schema = schema;
    client.on('error', (error) => this.#lose(error));
    client.on('end', () => this.#lose(new Error('the connection was closed by the server')));
  }

  static async open(options: ConnectOptions): Promise<Connection> {
    const client = clientFor(options);
    const connection = new Connection(client, options.schema ?? 'holdfast');
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

  /** Turns off every server setting that could end this session, and has both sides notice a dead peer. */
  async disableTimeouts(): Promise<void> {
    await this.query(sessionSettings(this.serverVersion), [], { timeout: 10_000 });
  }

  /** From now on, named statements are parsed and planned once. Not through a pooler. */
  prepareStatements(): void {
    this.#prepares = true;
  }

  /** The backend that the server's own key data names: a pooler in between gives another one. */
  get backendKey(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  /** Every query without a timeout of its own gets this one, in milliseconds. */
  limitStatements(timeout: number): void {
    this.#statementLimit = timeout;
  }

  /** Called once when the connection is lost or closed; at once when it already is. */
  onLost(listener: (reason: Error) => void): void {
    if (this.#lost) listener(this.#lost);
    else this.#onLost.add(listener);
  }

  async query<T extends Row = Row>(
    text: string,
    values: readonly unknown[] = [],
    options: QueryOptions = {},
  ): Promise<T[]> {
    return this.#send<T>(values.length > 0 ? { text, values: [...values] } : { text }, options);
  }

  async #send<T extends Row>(query: pg.QueryConfig, options: QueryOptions): Promise<T[]> {
    if (this.#lost) throw this.#lost;
    const answer = this.#inTurn(() => this.#client.query<T>(query));
    this.#inFlight += 1;
    const timeout = options.timeout ?? this.#statementLimit;
    let timer: NodeJS.Timeout | undefined;
    let lose: ((reason: Error) => void) | undefined;
    try {
      const interrupted = new Promise<never>((_, reject) => {
        lose = reject;
        this.#onLost.add(reject);
        if (timeout === undefined) return;
        timer = setTimeout(
          () => this.cut(new Error(`the server did not answer within ${timeout} ms`)),
          timeout,
        );
      });
      const result = await Promise.race([answer, interrupted]);
      return result.rows;
    } finally {
      clearTimeout(timer);
      if (lose) this.#onLost.delete(lose);
      this.#inFlight -= 1;
      answer.catch(() => undefined);
    }
  }

  /** Many ask a companion at the same time; pg's own queue goes with its release 9, and it warns of that. */
  #inTurn<T>(send: () => Promise<T>): Promise<T> {
    const answer = this.#turn.then(() => {
      if (this.#lost) throw this.#lost;
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
      ? this.#send<T>({ ...bound, name: `${file}.${name}` }, options)
      : this.query<T>(bound.text, bound.values, options);
  }

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

  /** Ends the session in good order; cuts it when the server does not answer. */
  async close(): Promise<void> {
    if (this.#lost) return;
    const cut = setTimeout(() => this.cut(), 2000);
    await this.#client.end().catch(() => undefined);
    clearTimeout(cut);
    this.#lose(new Error('the connection is closed'));
  }

  /** Drops the connection without a word to the server. */
  cut(reason: Error = new Error('the connection was cut')): void {
    this.#lose(reason);
    const { connection } = this.#client as unknown as { connection: { stream: { destroy(): void } } };
    connection.stream.destroy();
  }

  #lose(reason: Error): void {
    if (this.#lost) return;
    this.#lost = reason;
    for (const listener of this.#onLost) listener(reason);
    this.#onLost.clear();
  }
}

/** A URL may name files of certificates, which pg reads at once. */
function clientFor(options: ConnectOptions): pg.Client {
  try {
    return new pg.Client(clientConfig(options));
  } catch (error) {
    throw connectionError(error);
  }
}

/** What pg needs for these options; pg-listen opens its own connection from it. */
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

/** As libpq does without PGHOST: the Unix-domain socket where there is one. */
function defaultHost(): pg.ClientConfig {
  const port = process.env.PGPORT ?? '5432';
  const socket = ['/var/run/postgresql', '/tmp'].find((directory) =>
    existsSync(`${directory}/.s.PGSQL.${port}`),
  );
  return process.env.PGHOST === undefined && socket !== undefined ? { host: socket } : {};
}

// As libpq does without a user name: the system's. pg asks $USER, which services do not have.
pg.defaults.user ??= systemUser();

function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // a container's user may be a number only
  }
}

const int8 = 20;

/** 64-bit integers as numbers; what could be larger than 2^53 is selected as text. */
function typeParser(oid: number, format?: 'text'): unknown {
  return oid === int8 ? Number : pg.types.getTypeParser(oid, format);
}
