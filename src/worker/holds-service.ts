/** Writes the holds and keeps of a worker's clusters beside their backups as soon as they are placed. */
import { join } from 'node:path';
import type { Target } from '../backup/target.ts';
import type { Config } from '../config/config.ts';
import type { ControlLink } from '../control/control-link.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { bringHoldsTogether } from '../retention/holds.ts';
import { Every } from './every.ts';

/** Milliseconds. A notification is quicker than the look. */
const lookEvery = 60_000;

export interface HoldsServiceOptions {
  control: ControlLink;
  targets: ReadonlyMap<string, Target>;
  config: Config;
  log: Log;
}

export class HoldsService {
  readonly #options: HoldsServiceOptions;
  readonly #every: Every;

  constructor(options: HoldsServiceOptions) {
    this.#options = options;
    this.#every = new Every(lookEvery, () => this.#look(), options.log);
  }

  start(): void {
    this.#every.start();
  }

  wake(): void {
    this.#every.now();
  }

  async stop(): Promise<void> {
    await this.#every.stop();
  }

  async #look(): Promise<void> {
    const { control, targets, config, log } = this.#options;
    for (const cluster of targets.keys()) {
      const clusterDirectory = join(config.worker.repository, cluster);
      await bringHoldsTogether({
        cluster,
        clusterDirectory,
        control: (work) => control.run(work),
        log,
      }).catch((error: unknown) =>
        log.warning('cannot see what holds the backups of a cluster', { cluster, reason: messageOf(error) }),
      );
    }
  }
}
