/**
 * The WAL services of a worker: one archives WAL ahead of the archiver, the other records which WAL is
 * archived.
 */
import { existsSync, statSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { ClusterServer } from '../server/cluster-server.ts';
import { recordArchivedWal } from '../control/archived-wal.ts';
import type { ControlLink } from '../control/control-link.ts';
import { messageOf } from '../errors.ts';
import { lookThrough, requireAnswering } from '../repository/repository-errors.ts';
import type { Log } from '../log.ts';
import { ArchiveSurvey } from '../wal/archive-survey.ts';
import { serverPid, serverRuns } from '../wal/server-state.ts';
import { PeriodicTask } from './periodic-task.ts';
import type { ServersContext } from './service-context.ts';

/** Milliseconds. A notification of the file system starts a look at once. */
const lookAheadEvery = 2000;
/** Milliseconds until a server that does not run here is asked again where it runs. */
const askAgainAfter = 30_000;
/** Milliseconds after a look in which no other one starts: the archiver waits for the next. */
const lookAheadRest = 10;
/** Milliseconds. */
const surveyEvery = 5000;

/** The WAL services of all clusters of a worker. */
export class WalServices {
  readonly #services: PeriodicTask[];
  readonly #survey: PeriodicTask;
  readonly #aheads: Ahead[];

  constructor({ control, servers, config, log }: ServersContext) {
    const directory = (cluster: string) => join(config.worker.repository, cluster);
    const all = [...servers.values()];
    const { pushAhead: segments } = config.wal;
    this.#aheads =
      segments === 0
        ? []
        : all.map(
            (server) => new Ahead(server, directory(server.name), config.worker.compressLevel, segments, log),
          );
    const surveys = all.map((server) => new Survey(server, directory(server.name), control, log));
    this.#survey = new PeriodicTask(
      surveyEvery,
      async () => {
        for (const each of surveys) await each.look();
      },
      log,
    );
    this.#services = [this.#survey, ...this.#aheads.map(({ service }) => service)];
  }

  start(): void {
    for (const service of this.#services) service.start();
  }

  /** Records now which WAL is archived. */
  survey(): void {
    this.#survey.now();
  }

  async stop(): Promise<void> {
    for (const ahead of this.#aheads) ahead.close();
    await Promise.all(this.#services.map((service) => service.stop()));
    await Promise.all(this.#aheads.map((ahead) => ahead.leave()));
  }
}

/** Records which WAL the archive of one cluster holds. After an error, the next look tries again. */
class Survey {
  readonly #server: ClusterServer;
  readonly #clusterDirectory: string;
  readonly #archive: ArchiveSurvey;
  readonly #control: ControlLink;
  readonly #complaint: Complaint;

  constructor(server: ClusterServer, clusterDirectory: string, control: ControlLink, log: Log) {
    this.#server = server;
    this.#clusterDirectory = clusterDirectory;
    this.#archive = new ArchiveSurvey(clusterDirectory);
    this.#control = control;
    this.#complaint = new Complaint(log, 'cannot note all that the archive of a cluster holds', server.name);
  }

  async look(): Promise<void> {
    const cluster = this.#server.name;
    try {
      const found = await lookThrough(this.#clusterDirectory, () => this.#archive.look());
      const isOurs =
        found === undefined || found.systemIdentifier === (await this.#server.systemIdentifier());
      if (found !== undefined)
        await this.#control.run((db) => recordArchivedWal(db, cluster, isOurs ? found.runs : []));
      this.#complaint.about(
        isOurs
          ? this.#archive.problems.join('; ')
          : "it has another system's WAL under the name of this cluster",
      );
    } catch (error) {
      this.#archive.forget();
      this.#complaint.about(messageOf(error));
    }
  }
}

/** Logs a problem once, and again only when the reason changes. */
class Complaint {
  readonly #log: Log;
  readonly #what: string;
  readonly #cluster: string;
  #last = '';

  constructor(log: Log, what: string, cluster: string) {
    this.#log = log;
    this.#what = what;
    this.#cluster = cluster;
  }

  /** Logs `reason` if the reason is new. An empty string means that there is no problem. */
  about(reason: string): void {
    if (reason !== '' && reason !== this.#last)
      this.#log.warning(this.#what, { cluster: this.#cluster, reason });
    this.#last = reason;
  }
}

/**
 * Archives WAL of one cluster instead of the archiver and ahead of it, if the data directory is on this host and
 * writable.
 */
class Ahead {
  readonly service: PeriodicTask;
  readonly #server: ClusterServer;
  readonly #clusterDirectory: string;
  readonly #compressLevel: number;
  readonly #segments: number;
  readonly #log: Log;
  readonly #complaint: Complaint;
  /** Where the server was seen to run, and the pid of its postmaster; undefined as long as it was not. */
  #seen: { data: string; pid: number } | undefined;
  /** When the server last said where its data directory is, as in performance.now(). */
  #asked = -Infinity;
  #watcher: FSWatcher | undefined;
  /** The directory that is watched: another one may take its place, for example by a restore into the same path. */
  #watched = '';
  #closed = false;

  constructor(
    server: ClusterServer,
    clusterDirectory: string,
    compressLevel: number,
    segments: number,
    log: Log,
  ) {
    this.#server = server;
    this.#clusterDirectory = clusterDirectory;
    this.#compressLevel = compressLevel;
    this.#segments = segments;
    this.#log = log;
    this.#complaint = new Complaint(log, 'cannot archive ahead of the archiver', server.name);
    this.service = new PeriodicTask(lookAheadEvery, () => this.#look(), log, lookAheadRest);
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.close();
  }

  /** "wal push" no longer waits for this worker. */
  async leave(): Promise<void> {
    const data = this.#seen?.data;
    if (data === undefined || (await serverPid(data)) === undefined) return;
    const { stopAttending } = await import('../wal/attendance.ts');
    await stopAttending(join(data, 'pg_wal'));
  }

  async #look(): Promise<void> {
    try {
      const data = await this.#whereServerRuns();
      if (data === undefined) return;
      const status = join(data, 'pg_wal', 'archive_status');
      if (!existsSync(status)) return;
      this.#watch(status);
      await requireAnswering(this.#clusterDirectory);
      const { pushAhead } = await import('../wal/push-ahead.ts');
      await pushAhead({
        dataDirectory: data,
        clusterDirectory: this.#clusterDirectory,
        compressLevel: this.#compressLevel,
        ahead: this.#segments,
        attends: true,
        goOn: async () => !this.#closed && (await serverPid(data)) !== undefined,
        onWarning: ({ message, hint }) => this.#log.warning(message, { cluster: this.#server.name, hint }),
      });
      this.#complaint.about('');
    } catch (error) {
      // The archiver fails for the same reason, and reports it in the server's log.
      this.#complaint.about(messageOf(error));
    }
  }

  /**
   * The data directory; undefined while the server does not run, or runs elsewhere. A server that was started again may
   * have been moved, and another one may run where it was, so it is asked then. The process of a server in another
   * container is not visible here, and that server is asked each time.
   */
  async #whereServerRuns(): Promise<string | undefined> {
    const { data: known, pid: before } = this.#seen ?? {};
    const pid = known === undefined ? undefined : await serverPid(known);
    if (known !== undefined && pid !== undefined && pid === before)
      if ((await serverRuns(known)) || (await this.#server.runsOn(known))) return known;
    if (pid === undefined && performance.now() - this.#asked < askAgainAfter) return undefined;
    const data = await this.#server.dataDirectory().catch((error: unknown) => {
      if (known === undefined) throw error;
      return undefined;
    });
    if (data === undefined) return undefined;
    this.#asked = performance.now();
    const now = await serverPid(data);
    if (now === undefined || !(await this.#server.runsOn(data))) return undefined;
    this.#seen = { data, pid: now };
    return data;
  }

  #watch(directory: string): void {
    if (this.#closed) return;
    const { dev, ino } = statSync(directory, { bigint: true });
    const found = `${dev} ${ino}`;
    if (this.#watcher !== undefined && this.#watched === found) return;
    this.#watcher?.close();
    this.#watched = found;
    this.#watcher = watch(directory, { persistent: false }, () => this.service.now());
    this.#watcher.on('error', () => {
      this.#watcher?.close();
      this.#watcher = undefined;
    });
  }
}
