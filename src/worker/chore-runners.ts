/** The function that runs the chores of each kind. The code of a kind is loaded when the first chore of that kind runs. */
import type { ChoreRunner } from '../chores/chore.ts';

/** The runner of each kind of chore. A kind that is missing here fails as unknown to this worker. */
export const choreRunners: Partial<Record<string, ChoreRunner>> = {
  sync: async (chore, context) => (await import('../offsite/sync-chore.ts')).runSyncChore(chore, context),
  verify: async (chore, context) =>
    (await import('../verify/verify-chore.ts')).runVerifyChore(chore, context),
  drill: async (chore, context) => (await import('../drill/drill-chore.ts')).runDrillChore(chore, context),
  expire: async (chore, context) => (await import('../retention/expire-chore.ts')).runExpiry(chore, context),
};
