/** Records the damaged pages of a copy in the control database. */
import { recordDamagedPages } from '../control/backup-requests.ts';
import { messageOf } from '../errors.ts';
import type { DamagedPage } from '../repository/repository-backup.ts';
import type { RequestRun } from './request-run.ts';

/**
 * Called before the request is complete, so that a complete request always shows its damaged pages. A failure is a
 * warning only: the repository has the list of damaged pages, too.
 */
export async function recordDamage(run: RequestRun, pages: readonly DamagedPage[]): Promise<void> {
  if (pages.length === 0) return;
  try {
    await run.context.control.run((db) => recordDamagedPages(db, run.id, pages));
  } catch (error) {
    run.warn(`the damaged pages were not recorded in the control database: ${messageOf(error)}`);
  }
}
