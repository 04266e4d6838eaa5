/** Notes in the repositories of a worker's clusters that time goes by, against which expiry holds the clock. */
import { join } from 'node:path';
import { HoldfastError, messageOf } from '../errors.ts';
import { followClock } from '../retention/clock.ts';
import { Every } from './every.ts';
import type { HoldsServiceOptions } from './holds-service.ts';

/** Milliseconds. */
const lookEvery = 1_800_000;

export class ClockService {
  readonly #options: HoldsServiceOptions;
  readonly #every: Every;

  constructor(options: HoldsServiceOptions) {
    this.#options = options;
    this.#every = new Every(lookEvery, () => this.#look(), options.log);
  }

  start(): void {
    this.#every.start();
  }

  /** A repository is there that was not. */
  wake(): void {
    this.#every.now();
  }

  async stop(): Promise<void> {
    await this.#every.stop();
  }

  async #look(): Promise<void> {
    const { control, targets, config, log } = this.#options;
    for (const cluster of targets.keys())
      await followClock({
        cluster,
        clusterDirectory: join(config.worker.repository, cluster),
        control: (work) => control.run(work),
      }).catch((error: unknown) =>
        log.warning('does not take the time of the clock for the present', {
          cluster,
          reason: messageOf(error),
          hint: error instanceof HoldfastError ? error.hint : undefined,
        }),
      );
  }
}
