/** The time limit of a backup window. */
import type { HoldfastError } from '../../errors.ts';
import type { RequestRun, RunContext } from '../request-run.ts';

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
