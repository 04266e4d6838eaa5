/**
 * LISTEN that reconnects without end, and the only importer of pg-listen. By itself, pg-listen gives up after
 * three seconds, and cannot tell a half-open connection from a silent connection. So each subscriber lives for one
 * connection only. The listener tests the connection by subscribing to a channel of its own and unsubscribing, and
 * replaces a subscriber that does not answer. Notifications are only hints: the caller has to read the table after
 * every connect.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pgListen, { type Subscriber } from 'pg-listen';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { clientConfig, type ConnectOptions } from '../database/connection.ts';
import { settingsFor } from '../database/session-settings.ts';

/** The channel and the callbacks of a listener. */
export interface ListenerOptions {
  connect: ConnectOptions;
  /** As in server_version_num; decides on the settings of the session. */
  serverVersion: number;
  channel: string;
  onNotification: (payload: unknown) => void;
  /** Called after each connect. Notifications that were sent before are lost. */
  onConnected: () => void;
  log: Log;
  /** Milliseconds between two tests of the connection, and milliseconds for an answer. */
  heartbeat?: { every: number; within: number };
}

/** A listener on one channel. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** Begins to listen; reconnects until `stop`. */
  start(): void {
    this.#running ??= this.#keepListening();
  }

  /** Ends listening. Resolves when the connection is given up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #keepListening(): Promise<void> {
    const { log, channel } = this.#options;
    const { signal } = this.#stopping;
    let pause = 100;
    while (!signal.aborted) {
      try {
        await this.#listenOnce(() => (pause = 100));
      } catch (error) {
        if (signal.aborted) return;
        log.warning('the listener lost its connection and tries again', {
          channel,
          reason: messageOf(error),
        });
        await sleep(pause, undefined, { signal }).catch(() => undefined);
        pause = Math.min(pause * 2, 2000);
      }
    }
  }

  /** Listens on one connection. Rejects when the connection is lost or the listener is stopped. */
  async #listenOnce(onConnected: () => void): Promise<void> {
    const { connect, serverVersion, channel, log } = this.#options;
    const within = this.#options.heartbeat?.within ?? 3000;
    const subscriber = pgListen.default(
      { ...clientConfig(connect), options: startupOptions(serverVersion), query_timeout: within },
      { paranoidChecking: false, retryLimit: 1, parse: (text: string) => text },
    );
    let onStop = () => {};
    const lost = new Promise<never>((_, reject) => {
      subscriber.events.on('error', reject);
      onStop = () => reject(new Error('stopped'));
      this.#stopping.signal.addEventListener('abort', onStop, { once: true });
    });
    lost.catch(() => undefined);
    try {
      subscriber.notifications.on(channel, (payload: string) => this.#notified(payload));
      await Promise.race([subscriber.connect(), lost]);
      await Promise.race([subscriber.listenTo(channel), lost]);
      log.debug('listening', { channel });
      onConnected();
      this.#options.onConnected();
      await Promise.race([this.#heartbeats(subscriber), lost]);
    } finally {
      this.#stopping.signal.removeEventListener('abort', onStop);
      void Promise.resolve(subscriber.close()).catch(() => undefined);
    }
  }

  async #heartbeats(subscriber: Subscriber): Promise<void> {
    const every = this.#options.heartbeat?.every ?? 10_000;
    const { signal } = this.#stopping;
    const channel = `heartbeat_${randomBytes(8).toString('hex')}`;
    while (!signal.aborted) {
      await sleep(every, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (subscriber.getSubscribedChannels().includes(channel)) await subscriber.unlisten(channel);
      else await subscriber.listenTo(channel);
    }
  }

  #notified(payload: string): void {
    try {
      this.#options.onNotification(JSON.parse(payload));
    } catch (error) {
      // Every role can send a notification, so a malformed notification is only logged for debugging.
      this.#options.log.debug('a notification that is not ours was ignored', { reason: messageOf(error) });
    }
  }
}

function startupOptions(serverVersion: number): string {
  return Object.entries(settingsFor(serverVersion))
    .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
    .join(' ');
}
