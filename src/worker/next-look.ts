/** When the service of chores reads the table again. */
import type { LiveChore } from '../control/chore-rows.ts';

/** Milliseconds between two reads while there are chores that are not over. */
const lookWhileLive = 15_000;
/** Milliseconds until the next read if a retry is due that has not begun: another session may have locked the row. */
const lookAtOverdue = 1000;
/** Milliseconds. The clock of the database may be a little behind. */
const margin = 50;

/** Milliseconds until the next read. `chores`: those whose next attempt begins with a read. */
export function untilNextLook(chores: readonly Pick<LiveChore, 'dueIn'>[]): number {
  const due = chores.flatMap(({ dueIn }) => {
    if (dueIn === null) return [];
    return dueIn > 0 ? dueIn + margin : lookAtOverdue;
  });
  return Math.min(lookWhileLive, ...due);
}
