/**
 * Method hold: another program copies the cluster, and the client then finishes the request, within a time limit.
 */
import type { ClaimedRequest } from '../../control/backup-requests.ts';
import { HoldfastError } from '../../errors.ts';
import type { BackupStop } from '../../postgres/backup-facts.ts';
import type { RequestRun } from '../request-run.ts';
import type { DataTransfer } from './data-transfer.ts';
import { holdLimit, limitWindow } from './window-limit.ts';

/** The transfer of method hold, which the worker only waits for. */
export class HoldTransfer implements DataTransfer {
  readonly #run: RequestRun;
  readonly #limit: number;

  constructor(run: RequestRun, { holdTimeout }: Pick<ClaimedRequest, 'holdTimeout'>) {
    this.#run = run;
    this.#limit = holdLimit(holdTimeout, run.context);
  }

  /** Waits until the client has moved the row to state done. @throws HoldfastError `hold_timeout` */
  async untilDone(): Promise<void> {
    const stopTimer = limitWindow(this.#run, this.#limit, heldTooLong);
    try {
      await this.#run.waitForState('done');
    } finally {
      stopTimer();
    }
  }

  labelled(stop: BackupStop): BackupStop {
    return stop;
  }

  async finish(): Promise<void> {
    // The client has the files.
  }

  async abandon(): Promise<void> {
    // The client has the files.
  }
}

function heldTooLong(limit: number): HoldfastError {
  return new HoldfastError(
    'failed',
    `nobody finished it within its hold_timeout of ${limit / 1000} seconds`,
    {
      code: 'hold_timeout',
      hint: 'throw the copy away, since it is not a backup; then finish sooner, or request with a longer hold_timeout',
    },
  );
}
