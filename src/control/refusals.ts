/** Adds hints to the errors of the control database. */
import { HoldfastError } from '../errors.ts';
import { ServerError, type Connection } from '../database/connection.ts';
import { requireSchema } from './schema-version.ts';

const noPrivilege = '42501';
const readOnlyTransaction = '25006';
const undefinedObjects = ['3F000', '42P01', '42883', '42703'];

/**
 * Returns the error with a hint if there is one, or the error itself. `roles`: the roles that have the missing
 * privilege.
 */
export async function explained(
  db: Connection,
  schema: string,
  error: unknown,
  roles = `"${schema}_reader" (to look), "${schema}_requester" (to back up) or "${schema}_operator"`,
): Promise<unknown> {
  if (!(error instanceof ServerError) || db.isLost) return error;
  if (error.code === noPrivilege && error.hint === undefined) {
    return new HoldfastError('failed', error.message, {
      code: 'insufficient_privilege',
      hint: `grant this login, as a superuser, ${roles}`,
      cause: error,
    });
  }
  if (error.code === readOnlyTransaction) return reasonOf(refuseRecovery(db, error), error);
  if (!undefinedObjects.includes(error.code ?? '')) return error;
  return reasonOf(requireSchema(db, schema), error);
}

/** Refuses a server in recovery, which cannot be written to. @throws HoldfastError `control_in_recovery` */
export async function refuseRecovery(db: Connection, cause?: unknown): Promise<void> {
  const [row] = await db.run<{ recovers: boolean; paused: boolean }>('client', 'recovery');
  if (row?.recovers !== true) return;
  const what = row.paused
    ? 'recovery that is paused: a restore at its target, or a standby'
    : 'recovery: it is a standby, or restored just now';
  throw new HoldfastError('failed', `the control database takes no writes, as its server is in ${what}`, {
    code: 'control_in_recovery',
    hint: `${row.paused ? 'type SELECT pg_wal_replay_resume(); to open the restored server' : 'wait until it is open, if it was restored or resumed just now; promote it with SELECT pg_promote(); if it is a standby that is to be the primary'}; or give the address of the primary with --database-url`,
    cause,
  });
}

function reasonOf(check: Promise<void>, otherwise: unknown): Promise<unknown> {
  return check.then(
    () => otherwise,
    (reason: unknown) => reason,
  );
}
