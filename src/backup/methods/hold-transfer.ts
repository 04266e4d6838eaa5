/**
 * Method hold: another program copies the cluster, and the client then finishes the request, within a time limit.
 */
import type { ClaimedRequest } from '../../control/backup-requests.ts';
import { HoldfastError } from '../../errors.ts';
import type { RequestRun, RunContext } from '../request-run.ts';
import type { DataTransfer } from './data-transfer.ts';

/** Waits until the client has moved the row to state done. @throws HoldfastError `hold_timeout` */
export async function hold(run: RequestRun, request: ClaimedRequest): Promise<DataTransfer> {
  const stopTimer = limitWindow(run, holdLimit(request.holdTimeout, run.context), heldTooLong);
  try {
    await run.waitForState('done');
  } finally {
    stopTimer();
  }
  return { finish: async () => undefined, abandon: async () => undefined };
}

/**
 * Ends the request if its backup window is open for longer than `limit`. Milliseconds; 0: no limit. Returns a
 * function that stops the timer.
 */
export function limitWindow(
  run: RequestRun,
  limit: number,
  why: (limit: number) => HoldfastError,
): () => void {
  return limit === 0 ? () => undefined : after(limit, () => run.endWindow(why(limit)));
}

/**
 * A timer that may be longer than the 24.8 days of a timer of Node.js. Returns a function that stops the timer.
 */
function after(milliseconds: number, then: () => void): () => void {
  const longest = 2 ** 31 - 1;
  let timer: NodeJS.Timeout;
  const arm = (left: number) => {
    timer = setTimeout(() => (left > longest ? arm(left - longest) : then()), Math.min(left, longest));
  };
  arm(milliseconds);
  return () => clearTimeout(timer);
}

/**
 * The time limit of a backup window. Milliseconds; 0: no limit. The max_hold_timeout of the worker limits every
 * request.
 */
export function holdLimit(
  requested: number | null,
  { holdTimeout, maxHoldTimeout }: Pick<RunContext, 'holdTimeout' | 'maxHoldTimeout'>,
): number {
  const wanted = requested ?? holdTimeout;
  if (maxHoldTimeout === 0) return wanted;
  return wanted === 0 ? maxHoldTimeout : Math.min(wanted, maxHoldTimeout);
}

function heldTooLong(limit: number): HoldfastError {
  return new HoldfastError(
    'failed',
    `nobody finished it within its hold_timeout of ${limit / 1000} seconds`,
    {
      code: 'hold_timeout',
      hint: 'finish sooner, or request with a longer hold_timeout; the copy is not a backup',
    },
  );
}
