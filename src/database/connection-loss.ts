/**
 * The loss of a connection, and its reason. Where the server ends a session, its error (`terminating connection due to
 * administrator command`) may be followed by a warning (`aborting backup due to backend exiting before pg_backup_stop
 * was called`), and the end of the connection comes last. The reason has all of these texts, so listeners are called
 * when the connection ends; the connection cannot be used from the error on.
 */

/** Milliseconds between the error and the end of the connection, which a broken network does not report. */
const patience = 1000;

/** An error or notice of the server. */
interface ServerMessage {
  severity?: string | undefined;
  /** SQLSTATE. */
  code?: string | undefined;
  message?: string | undefined;
}

/** Knows whether one connection is lost, and why. */
export class ConnectionLoss {
  readonly #listeners = new Set<(reason: Error) => void>();
  readonly #lastWords = new Set<string>();
  #error: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reason: Error | undefined;

  /** Why the connection is lost, or the error with which the server is ending the session; undefined: it is not lost. */
  get reason(): Error | undefined {
    return this.#reason ?? this.#error;
  }

  /** Whether the listeners have been called. */
  get isComplete(): boolean {
    return this.#reason !== undefined;
  }

  /** @throws the reason of the loss where the connection is lost */
  throwIfLost(): void {
    if (this.reason) throw this.reason;
  }

  /** Calls the listener once, at once if the connection is lost already. */
  listen(listener: (reason: Error) => void): void {
    if (this.#reason) listener(this.#reason);
    else this.#listeners.add(listener);
  }

  ignore(listener: (reason: Error) => void): void {
    this.#listeners.delete(listener);
  }

  /** An error that no query waits for: the session is over, or the connection is. */
  onError(error: Error): void {
    if (this.#error !== undefined || !endsSession(error)) return this.onClose(error);
    this.#error = error;
    this.#timer = setTimeout(() => this.onClose(error), patience).unref();
  }

  /** The error of a query, which may end the session as well. */
  onQueryError(error: unknown): void {
    if (this.#error === undefined && error instanceof Error && endsSession(error)) this.onError(error);
  }

  onNotice(notice: ServerMessage): void {
    const { message = '' } = notice;
    this.#lastWords.add(message);
    // The error may be that of a query, which rejects later in this turn of the event loop.
    if (!isShutdown(notice)) setImmediate(() => this.#error ?? this.#lastWords.delete(message));
  }

  /** The connection is closed. `reason`: for where the server has not given one. */
  onClose(reason: Error): void {
    const error = this.#error ?? reason;
    const message = [error.message, ...this.#lastWords].join('; ');
    this.cut(message === error.message ? error : new Error(message, { cause: error }));
  }

  /** The connection is lost for this reason, whatever the server says. */
  cut(reason: Error): void {
    clearTimeout(this.#timer);
    if (this.#reason) return;
    this.#reason = reason;
    for (const listener of this.#listeners) listener(reason);
    this.#listeners.clear();
  }
}

/** Servers whose messages are translated translate the severity as well. */
function endsSession(error: ServerMessage): boolean {
  return isShutdown(error) || error.severity === 'FATAL' || error.severity === 'PANIC';
}

/** SQLSTATE class 57P: the server or an administrator ends the session, or the database is gone. */
function isShutdown({ code }: ServerMessage): boolean {
  return code?.startsWith('57P') === true;
}
