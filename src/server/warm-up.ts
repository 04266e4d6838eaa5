/** Runs the first queries of a backup in advance, for a spare session. */
import type { Connection } from '../database/connection.ts';
import { backupFunctions } from './backup-functions.ts';
import { archiver, preflightFacts, tablespaces } from './server-queries.ts';

/** Runs the queries of a start, so that the backend has its caches filled when the start comes. */
export async function warmUp(db: Connection): Promise<void> {
  await preflightFacts(db, '', backupFunctions(db.serverVersion));
  await archiver(db);
  await tablespaces(db);
}
