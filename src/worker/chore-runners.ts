/** The function that runs the chores of each kind. */
import type { ChoreRunner } from '../chores/chore.ts';
import { runSyncChore } from '../offsite/sync-chore.ts';
import { runDrillChore } from '../drill/drill-chore.ts';
import { runVerifyChore } from '../verify/verify-chore.ts';
import { runExpiry } from '../retention/expire-chore.ts';

/** The runner of each kind of chore. A kind that is missing here fails as unknown to this worker. */
export const choreRunners: Partial<Record<string, ChoreRunner>> = {
  sync: runSyncChore,
  verify: runVerifyChore,
  drill: runDrillChore,
  expire: runExpiry,
};
