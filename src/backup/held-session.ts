/**
 * What a request holds while its backup session is open or about to be opened:
 *
 * - a slot: one of the `max_held` sessions of the worker;
 * - the backup session;
 * - the proxy lock, where the session is on another server than the control database;
 * - what method copy has taken before the backup begins: its threads, and the lock on the parent of an incremental copy.
 *
 * HeldSession alone releases these four, once, whatever ends the run. The session is closed first, since a slot
 * stands for a connection that is free. The proxy lock is released last: while the lock is held, readers take the
 * session for alive. A session that ends before its outcome is in the row is a lost backup, so `releaseAfter` waits
 * for the outcome.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupSession } from './backup-session.ts';
import type { RequestRun } from './request-run.ts';

/** Milliseconds. A client that has locked the row could otherwise keep the session open without limit. */
const outcomeKeepsSession = 10_000;

/** The owner of the slot, the backup session and the proxy lock of a request. */
export class HeldSession implements AsyncDisposable {
  readonly #run: RequestRun;
  #session: BackupSession | undefined;
  readonly #others: (() => Promise<void>)[] = [];
  #released: Promise<void> | undefined;

  /** Takes a slot. */
  constructor(run: RequestRun) {
    this.#run = run;
    run.holdsSession = true;
  }

  /** From now on, the session belongs to this object. */
  own(session: BackupSession): void {
    this.#session = session;
  }

  /** From now on, the proxy lock with this key stands for the session. */
  keepProxyLock(key: string): void {
    this.#run.context.control.keepProxyLock(this.#run.id, key);
  }

  /** From now on, something else belongs to this object, which `release` releases. */
  keep(release: () => Promise<void>): void {
    this.#others.push(release);
    if (this.isReleased) void release(); // the run was ended meanwhile
  }

  /** Whether `release` has been called. */
  get isReleased(): boolean {
    return this.#released !== undefined;
  }

  /** Releases everything. Later calls resolve with the first. The server aborts a backup that is still open. */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  /**
   * Releases everything once the outcome is in the row, or after ten seconds.
   * @throws the reason for which the outcome could not be written
   */
  async releaseAfter(outcome: Promise<void>): Promise<void> {
    try {
      await Promise.race([outcome, sleep(outcomeKeepsSession, undefined, { ref: false })]);
    } finally {
      await this.release();
    }
    await outcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #release(): Promise<void> {
    const { control, onSessionReleased } = this.#run.context;
    try {
      await this.#session?.close();
    } finally {
      this.#run.holdsSession = false;
      onSessionReleased();
      await Promise.all([
        control.releaseProxyLock(this.#run.id),
        ...this.#others.map((release) => release()),
      ]);
    }
  }
}
