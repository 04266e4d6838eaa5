/** The damaged pages of a copy that is in the repository, for those who look into the control database only. */
import { recordDamagedPages } from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { RequestRun } from './request-run.ts';

/** Before the request is complete: whoever sees it complete sees its damage. The repository has the list, too. */
export async function recordDamage(run: RequestRun, pages: { file: string; block: number }[]): Promise<void> {
  if (pages.length === 0) return;
  try {
    await run.context.control.run((db) => recordDamagedPages(db, run.id, pages));
  } catch (error) {
    run.warn(`the damaged pages were not recorded in the control database: ${messageOf(error)}`);
  }
}
