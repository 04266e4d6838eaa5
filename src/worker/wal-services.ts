/** What a worker does for the WAL of its clusters: archives it ahead of the archiver, and notes what is archived. */
import { existsSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { Target } from '../backup/target.ts';
import type { Config } from '../config/config.ts';
import { recordArchivedWal } from '../control/archived-wal.ts';
import type { ControlLink } from '../control/control-link.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { ArchiveSurvey } from '../wal/archive-survey.ts';
import { pushAhead } from '../wal/push-ahead.ts';
import { Every } from './every.ts';

/** Milliseconds. A notification of the file system is quicker than the look. */
const lookAheadEvery = 2000;
const surveyEvery = 5000;

export interface WalServicesOptions {
  control: ControlLink;
  targets: ReadonlyMap<string, Target>;
  config: Config;
  log: Log;
}

export class WalServices {
  readonly #services: Every[];
  readonly #aheads: Ahead[];

  constructor({ control, targets, config, log }: WalServicesOptions) {
    const directory = (cluster: string) => join(config.worker.repository, cluster);
    const all = [...targets.values()];
    const { pushAhead: segments } = config.wal;
    this.#aheads =
      segments === 0
        ? []
        : all.map(
            (target) => new Ahead(target, directory(target.name), config.worker.compressLevel, segments, log),
          );
    const surveys = new Map(all.map((target) => [target, new ArchiveSurvey(directory(target.name))]));
    const survey = new Every(
      surveyEvery,
      async () => {
        for (const [target, archive] of surveys) await report(control, target, archive, log);
      },
      log,
    );
    this.#services = [survey, ...this.#aheads.map(({ service }) => service)];
  }

  start(): void {
    for (const service of this.#services) service.start();
  }

  async stop(): Promise<void> {
    for (const ahead of this.#aheads) ahead.close();
    await Promise.all(this.#services.map((service) => service.stop()));
  }
}

/** Where the repository cannot be read, or the database not be written, the next look tries again. */
async function report(control: ControlLink, target: Target, archive: ArchiveSurvey, log: Log): Promise<void> {
  const cluster = target.name;
  try {
    const found = await archive.look();
    if (found === undefined) return;
    const isOurs = found.systemIdentifier === (await target.systemIdentifier());
    if (!isOurs)
      log.warning("the repository has another system's WAL under the name of a cluster", { cluster });
    await control.run((db) => recordArchivedWal(db, cluster, isOurs ? found.runs : []));
  } catch (error) {
    archive.forget();
    log.debug('cannot look at the archive of a cluster', { cluster, reason: messageOf(error) });
  }
}

/** Of one cluster, where its data directory is on this host and is ours to write to. */
class Ahead {
  readonly service: Every;
  readonly #target: Target;
  readonly #clusterDirectory: string;
  readonly #compressLevel: number;
  readonly #segments: number;
  readonly #log: Log;
  #data: string | undefined;
  #watcher: FSWatcher | undefined;
  #closed = false;
  #complained = '';

  constructor(target: Target, clusterDirectory: string, compressLevel: number, segments: number, log: Log) {
    this.#target = target;
    this.#clusterDirectory = clusterDirectory;
    this.#compressLevel = compressLevel;
    this.#segments = segments;
    this.#log = log;
    this.service = new Every(lookAheadEvery, () => this.#look(), log);
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.close();
  }

  async #look(): Promise<void> {
    try {
      this.#data ??= await this.#target.dataDirectory();
      const status = join(this.#data, 'pg_wal', 'archive_status');
      if (!existsSync(status)) return;
      this.#watch(status);
      await pushAhead({
        dataDirectory: this.#data,
        clusterDirectory: this.#clusterDirectory,
        compressLevel: this.#compressLevel,
        ahead: this.#segments,
        mayUseThreads: true,
        goOn: () => !this.#closed,
      });
      this.#complained = '';
    } catch (error) {
      // The archiver meets the same, and says so in the server's log.
      const reason = messageOf(error);
      if (reason !== this.#complained)
        this.#log.warning('cannot archive ahead of the archiver', { cluster: this.#target.name, reason });
      this.#complained = reason;
    }
  }

  #watch(directory: string): void {
    if (this.#watcher !== undefined || this.#closed) return;
    this.#watcher = watch(directory, { persistent: false }, () => this.service.now());
    this.#watcher.on('error', () => {
      this.#watcher?.close();
      this.#watcher = undefined;
    });
  }
}
