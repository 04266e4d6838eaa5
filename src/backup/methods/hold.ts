/** Method hold: somebody else copies, and says when he is done; but not for ever. */
import type { ClaimedRequest } from '../../control/requests.ts';
import { HoldfastError } from '../../errors.ts';
import type { Job, JobContext } from '../job.ts';

export async function hold(job: Job, request: ClaimedRequest): Promise<void> {
  const limit = holdLimit(request.holdTimeout, job.context);
  const timer = limit === 0 ? undefined : setTimeout(() => job.endWindow(heldTooLong(limit)), Math.min(limit, 2 ** 31 - 1));
  try {
    await job.untilRowIs('done');
  } finally {
    clearTimeout(timer);
  }
}

/** Milliseconds; 0: no limit. The worker's own cap holds for everybody. */
export function holdLimit(
  requested: number | null,
  { holdTimeout, maxHoldTimeout }: Pick<JobContext, 'holdTimeout' | 'maxHoldTimeout'>,
): number {
  const wanted = requested ?? holdTimeout;
  if (maxHoldTimeout === 0) return wanted;
  return wanted === 0 ? maxHoldTimeout : Math.min(wanted, maxHoldTimeout);
}

function heldTooLong(limit: number): HoldfastError {
  return new HoldfastError('failed', `nobody finished it within its hold_timeout of ${limit / 1000} seconds`, {
    code: 'hold_timeout',
    hint: 'finish sooner, or request with a longer hold_timeout; the copy is not a backup',
  });
}
