/** Chores whose worker is gone go back to the queue. */
import type { ChoreQueue } from '../control/chore-queue.ts';
import { failChore, holdChore, retryChore, unlessLocked, type LiveChore } from '../control/chore-rows.ts';
import type { Log } from '../log.ts';

/**
 * Plans the next attempt of a chore whose worker is gone, if the queue has failed the attempt. Returns whether the
 * chore was given back.
 */
export async function giveBackLostChore(queue: ChoreQueue, chore: LiveChore, log: Log): Promise<boolean> {
  if (!(await queue.expire(chore))) return false;
  const failure = {
    code: 'worker_lost',
    message: 'the worker that ran the chore is gone',
    hint: 'wait: the chore is run again; where the chore kills workers, read their logs',
  };
  const { id, attempts: attempt } = chore;
  const given = await queue
    .transaction(async (db) => {
      const instance = chore.instance ?? '';
      if (!(await holdChore(db, { id, instance, attempt }))) return false;
      const at = await queue.endLost(chore);
      if (at === undefined) await failChore(db, id, failure, null);
      else await retryChore(db, { id, at, attempts: attempt }, failure, null);
      return true;
    })
    .catch(unlessLocked);
  if (given === true) log.warning('gave back a chore whose worker is gone', { chore: id, kind: chore.kind });
  return given === true;
}
