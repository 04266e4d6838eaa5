/** The function that runs the chores of each kind. The code of a kind is loaded when the first chore of that kind runs. */
import type { ChoreRunner } from '../chores/chore.ts';
import { letYoungGenerationGrow } from '../system/young-generation.ts';

/** The runner of each kind of chore. A kind that is missing here fails as unknown to this worker. */
export const choreRunners: Partial<Record<string, ChoreRunner>> = {
  sync: runner(async () => (await import('../offsite/sync-chore.ts')).runSyncChore),
  verify: runner(async () => (await import('../verify/verify-chore.ts')).runVerifyChore),
  drill: runner(async () => (await import('../drill/drill-chore.ts')).runDrillChore),
  expire: runner(async () => (await import('../retention/expire-chore.ts')).runExpiry),
};

function runner(load: () => Promise<ChoreRunner>): ChoreRunner {
  return async (chore, context) => {
    letYoungGenerationGrow();
    return (await load())(chore, context);
  };
}
