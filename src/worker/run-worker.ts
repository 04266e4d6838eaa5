/**
 * The worker: its services, and how they start and stop together. SIGTERM or SIGINT drains the worker: no new
 * request is taken, and held backups may end within `drain_timeout`. A second signal ends the held backups.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyIsNoBackup, LeftToNextWorker, type RunContext } from '../backup/request-run.ts';
import { ClusterServer } from '../server/cluster-server.ts';
import type { Config } from '../config/config.ts';
import { ControlLink } from '../control/control-link.ts';
import { schemaVersion } from '../control/schema-version.ts';
import { Listener } from '../control/listener.ts';
import { heartbeat, setMonitor, type WorkerIdentity } from '../control/worker-rows.ts';
import { HoldfastError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { isWaitingForAnswer } from '../system/answering.ts';
import { endsWithin, longestTimer } from '../system/ends-within.ts';
import { endBySignal, onStopSignal } from '../system/stop-signals.ts';
import { Reconciler } from './reconciler.ts';
import { Dispatcher } from './dispatcher.ts';
import { PeriodicTask } from './periodic-task.ts';
import { identifyWorker } from './worker-identity.ts';
import { ActiveRuns } from './active-runs.ts';
import { notifyServiceManager } from './service-manager.ts';
import { Services } from './services.ts';
import { Rescuer } from './rescuer.ts';

/** Milliseconds. Both periods together make less than one query per second. */
const lookEvery = 2000;
const heartbeatEvery = 10_000;
/** Milliseconds of `drain_timeout` that are reserved for ending the held sessions. */
const endingTakes = 5000;
/** Milliseconds for which a worker that has drained waits for its services to end. */
const servicesTake = 10_000;

/**
 * Runs a worker. Resolves when the worker has drained.
 * @throws HoldfastError where the worker cannot start, or has to stop
 */
export async function runWorker(config: Config, log: Log): Promise<void> {
  const worker = new Worker(config, log);
  const ignoreSignals = onStopSignal(() => worker.stop());
  try {
    await worker.run();
  } finally {
    ignoreSignals();
  }
}

class Worker {
  readonly #config: Config;
  readonly #log: Log;
  readonly #identity: WorkerIdentity;
  readonly #activeRuns = new ActiveRuns(() => this.#services.surveyArchives());
  readonly #servers: ReadonlyMap<string, ClusterServer>;
  readonly #control: ControlLink;
  readonly #dispatcher: Dispatcher;
  readonly #reconciler: Reconciler;
  readonly #look: PeriodicTask;
  readonly #services: Services;
  readonly #stopping = new AbortController();
  readonly #hurrying = new AbortController();
  #toldToStop = false;
  #whyStopped: HoldfastError | undefined;

  constructor(config: Config, log: Log) {
    this.#config = config;
    this.#log = log;
    this.#identity = identifyWorker(config);
    this.#servers = new Map(config.clusters.map((cluster) => [cluster.name, this.#connectTo(cluster)]));
    this.#control = new ControlLink({
      connect: { url: config.control.url, applicationName: 'holdfast worker' },
      schema: config.control.schema,
      identity: this.#identity,
      log,
      onReconnected: () => this.#readTables(),
      onRefused: (error) => this.#stopBecause(error),
    });
    const shared = {
      control: this.#control,
      instance: this.#identity.instance,
      servers: this.#servers,
      activeRuns: this.#activeRuns,
      contextOf: (server: ClusterServer) => this.#contextOf(server),
      log,
    };
    const { maxHeld, maxHeldByOne, maxCopies } = config.worker;
    this.#dispatcher = new Dispatcher({ ...shared, maxHeld, maxHeldByOne, maxCopies });
    this.#reconciler = new Reconciler({
      ...shared,
      clusters: new Set(this.#servers.keys()),
      dispatcher: this.#dispatcher,
      rescuer: new Rescuer({
        ...shared,
        labels: config.worker.labels,
        repository: config.worker.repository,
      }),
    });
    this.#look = new PeriodicTask(lookEvery, () => this.#reconciler.look(), log);
    this.#services = new Services({ ...shared, config });
  }

  /** The first call takes no more requests and lets held backups end. The second call ends held backups. */
  stop(): void {
    if (this.#toldToStop) this.#hurrying.abort();
    this.#toldToStop = true;
    this.#stopping.abort();
  }

  async run(): Promise<void> {
    await this.#control.open();
    const listener = this.#listener();
    const pulse = new PeriodicTask(heartbeatEvery, () => this.#beat(), this.#log);
    try {
      for (const server of this.#servers.values()) server.prepare();
      for (const service of [listener, this.#look, pulse, this.#services]) service.start();
      const { signal } = this.#stopping;
      if (!signal.aborted) await once(signal, 'abort');
      const services = this.#services.drain();
      services.catch(() => undefined);
      await this.#drain(pulse);
      await endsWithin(this.#config.worker.drainTimeout + servicesTake, services);
    } finally {
      await this.#close([listener, this.#look, pulse, this.#services]);
    }
    if (this.#whyStopped) throw this.#whyStopped;
  }

  async #close(all: readonly { stop: () => Promise<void> }[]): Promise<void> {
    const services = all.map((service) => service.stop());
    await this.#control.close(); // before the services: one may be waiting for a database that is down
    const ended = Promise.all([...services, ...[...this.#servers.values()].map((server) => server.close())]);
    const isOver = await endsWithin(servicesTake, ended);
    if (isOver && !isWaitingForAnswer()) return this.#log.info('stopped');
    this.#log.warning('stopped, though a file system that it waits for has not answered');
    endBySignal(); // process.exit() would wait for that file system
  }

  #listener(): Listener {
    const { schema, url } = this.#config.control;
    let ready = false;
    return new Listener({
      connect: { url, applicationName: 'holdfast listener' },
      serverVersion: this.#control.serverVersion,
      channel: `${schema}_request`,
      onNotification: (payload) => this.#onNotification(payload),
      onConnected: () => {
        this.#readTables();
        if (ready) return;
        ready = true;
        this.#log.info('ready', {
          worker: this.#control.name,
          clusters: this.#identity.clusters.join(' '),
          schema,
        });
        notifyServiceManager('READY=1');
      },
      log: this.#log,
    });
  }

  /** Reads all tables after a reconnect: notifications that were sent in the meantime are lost. */
  #readTables(): void {
    this.#look.now();
    this.#services.readTables();
  }

  #onNotification(payload: unknown): void {
    const about = (payload ?? {}) as Record<string, unknown>;
    const { id, cluster, state, adopted } = about;
    const isOurs = adopted !== undefined || this.#servers.has(String(cluster));
    if (adopted !== undefined) this.#look.now();
    if (isOurs && this.#services.notified(about)) return;
    if (state === 'requested') {
      if (isOurs) this.#dispatcher.wake();
    } else if (typeof id === 'number' && this.#activeRuns.get(id)) {
      void this.#reconciler.lookAt(id).catch((error: unknown) => {
        this.#log.debug('will look again', { request: id, reason: messageOf(error) });
      });
    }
  }

  async #beat(): Promise<void> {
    const version = await this.#control.run((db) =>
      heartbeat(db, this.#identity.instance, this.#control.draining),
    );
    if (version === undefined || version === schemaVersion()) return;
    this.#stopBecause(
      new HoldfastError('usage', `the schema has version ${version} by now, not ${schemaVersion()}`, {
        code: 'schema_changed',
        hint: 'install that release here, and start its worker: holdfast worker',
      }),
    );
  }

  #stopBecause(reason: HoldfastError): void {
    if (this.#whyStopped) return;
    this.#whyStopped = reason;
    this.#log.error(reason.message, { hint: reason.hint });
    this.#stopping.abort();
  }

  async #drain(pulse: PeriodicTask): Promise<void> {
    const { drainTimeout } = this.#config.worker;
    this.#control.draining = true;
    pulse.now();
    notifyServiceManager('STOPPING=1', 'EXTEND_TIMEOUT_USEC=30000000');
    const extending = setInterval(() => notifyServiceManager('EXTEND_TIMEOUT_USEC=30000000'), 10_000);
    try {
      this.#dispatcher.stop();
      this.#log.info('draining', { held: this.#activeRuns.held().length, seconds: drainTimeout / 1000 });
      const timesUp = sleep(Math.min(longestTimer, Math.max(0, drainTimeout - endingTakes)), undefined, {
        signal: this.#hurrying.signal,
        ref: false,
      });
      const over = await Promise.race([
        this.#nothingIsHeld().then(() => true),
        timesUp.catch(() => undefined).then(() => false),
      ]);
      if (over) await this.#letArchivingEnd();
      else await this.#endWhatIsHeld();
      this.#reconciler.leave();
      for (const run of this.#activeRuns.all()) run.end(new LeftToNextWorker('the worker is stopping'));
      await Promise.race([this.#activeRuns.ended(), sleep(endingTakes, undefined, { ref: false })]);
    } finally {
      clearInterval(extending);
    }
  }

  async #nothingIsHeld(): Promise<void> {
    while (this.#activeRuns.held().length > 0) await sleep(50);
  }

  /**
   * Waits up to `endingTakes` for archiving. A working archiver needs a moment; otherwise the next worker
   * watches the archiver.
   */
  async #letArchivingEnd(): Promise<void> {
    const { signal } = this.#hurrying;
    const timesUp = sleep(endingTakes, undefined, { signal, ref: false }).catch(() => undefined);
    await Promise.race([this.#activeRuns.ended(), timesUp]);
  }

  async #endWhatIsHeld(): Promise<void> {
    for (const run of this.#activeRuns.all()) {
      run.endWindow(
        new HoldfastError('failed', 'the worker was stopped while it held the backup', {
          code: 'worker_stopped',
          hint: `${copyIsNoBackup}; set drain_timeout to let a worker wait longer`,
        }),
      );
    }
    await Promise.race([this.#nothingIsHeld(), sleep(endingTakes, undefined, { ref: false })]);
  }

  #connectTo(cluster: Config['clusters'][number]): ClusterServer {
    const { name, url, dataDirectory, archiveDirectory } = cluster;
    const { instance } = this.#identity;
    return new ClusterServer({
      name,
      connect: { url: url ?? this.#config.control.url },
      dataDirectory,
      archiveDirectory,
      onMonitor: ({ identity: { pid }, lockKey }) => {
        if (this.#activeRuns.held().length === 0) return;
        void this.#control
          .run((db) => setMonitor(db, instance, name, { pid, lockKey }))
          .catch((error: unknown) =>
            this.#log.debug('the monitor session was not recorded', {
              cluster: name,
              reason: messageOf(error),
            }),
          );
      },
      log: this.#log,
    });
  }

  #contextOf(server: ClusterServer): RunContext {
    const { labels, repository, jobs, compressLevel, maxChain, walReserve, holdTimeout, maxHoldTimeout } =
      this.#config.worker;
    return {
      control: this.#control,
      server,
      labels,
      repository,
      copyJobs: jobs,
      compressLevel,
      onDamagedPage: this.#config.cluster(server.name).onDamagedPage,
      maxChain,
      walReserve,
      holdTimeout,
      maxHoldTimeout,
      onSessionReleased: () => this.#dispatcher.wake(),
      log: this.#log,
    };
  }
}
