/** What a new backend has to look up is looked up ahead. */
import type { Connection } from '../database/connection.ts';
import { backupFunctions } from './backup-functions.ts';
import { archiver, preflightFacts, tablespaces } from './server-queries.ts';

/** Asks what a start will ask, so that the answers come quickly then. */
export async function warmUp(db: Connection): Promise<void> {
  await preflightFacts(db, '', backupFunctions(db.serverVersion));
  await archiver(db);
  await tablespaces(db);
}
