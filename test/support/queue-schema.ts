// The schema of pg-boss: of an earlier release, and held up by a stranger.
import { getRollbackPlans } from 'pg-boss';
import type { SqlClient } from './sql-client.ts';

const schema = '"holdfast_boss"';

export async function queueSchemaVersion(client: SqlClient): Promise<number> {
  return Number(await client.value(`select version from ${schema}.version`));
}

/** Undoes upgrades of the schema, one after another, as pg-boss does it. */
export async function rollBackQueue(client: SqlClient, to: number): Promise<void> {
  for (let at = await queueSchemaVersion(client); at > to; at = await queueSchemaVersion(client))
    await client.query(getRollbackPlans(schema, at));
}

/**
 * Takes an advisory lock of pg-boss, as every role can: `of` is what the lock is for, and nothing where the schema is
 * made or upgraded.
 */
export async function holdQueueLock(client: SqlClient, of = ''): Promise<void> {
  await client.query(
    `select pg_advisory_lock(('x' || encode(sha224(
       (current_database() || '.pgboss.holdfast_boss' || $1)::bytea), 'hex'))::bit(64)::bigint)`,
    [of],
  );
}
