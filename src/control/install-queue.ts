/** Creates and upgrades the schema of the chore queue, as pg-boss does it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../errors.ts';
import type { Connection } from '../database/connection.ts';
import { quoteIdentifier, quoteLiteral } from '../database/sql-script.ts';
import { inTurn } from './in-turn.ts';
import { withLimitedWaits } from './lock-waits.ts';
import { createBoss, executeOn, oldestQueueServer, queueSchema, type PgBoss } from './pg-boss.ts';

/**
 * Milliseconds for a statement. pg-boss takes an advisory lock whose key every role can compute, so that every role
 * can hold it for ever.
 */
const statementTakes = 10_000;
/** Milliseconds for the indexes that pg-boss builds after an upgrade. */
const buildingTakes = 60_000;

/**
 * Creates or upgrades the schema of the queue and returns its name; undefined: the server is too old for pg-boss.
 * @throws HeldUp
 */
export async function installQueue(db: Connection, schema: string): Promise<string | undefined> {
  if (db.serverVersion < oldestQueueServer) return undefined;
  const name = queueSchema(schema);
  await db.query(
    `set search_path = pg_catalog, pg_temp; set client_min_messages = warning; set standard_conforming_strings = on`,
  );
  try {
    await withLimitedWaits(db, statementTakes, async () => {
      await inTurn(() => makeOrUpgrade(db, schema));
      await db.query(grants(quoteIdentifier(name), quoteIdentifier(`${schema}_worker`), schema));
    });
  } finally {
    await db.query('reset search_path; reset client_min_messages; reset standard_conforming_strings');
  }
  return name;
}

async function makeOrUpgrade(db: Connection, schema: string): Promise<void> {
  await refuseForeign(db, queueSchema(schema));
  const boss = await createBoss(schema, true, (text, values) => executeOn(db, text, values));
  const errors: Error[] = [];
  boss.on('error', (error) => errors.push(error));
  try {
    await boss.start();
    await indexesBuilt(boss, errors);
  } finally {
    await boss.stop({ graceful: false });
  }
}

/**
 * Waits for the indexes that pg-boss builds after an upgrade. An index that is not built in time makes nothing
 * wrong; the next installation builds it.
 */
async function indexesBuilt(boss: PgBoss, errors: readonly Error[]): Promise<void> {
  for (const end = performance.now() + buildingTakes; performance.now() < end; await sleep(50)) {
    const states = await boss.getBamStatus();
    const [error] = errors;
    if (error !== undefined) throw error;
    if (states.every(({ status }) => status === 'completed' || status === 'failed')) return;
  }
}

/**
 * Refuses a schema of another role, since the owner of a schema controls everything in the schema.
 * @throws HoldfastError
 */
async function refuseForeign(db: Connection, schema: string): Promise<void> {
  const [found] = await db.run('installation', 'owner_of_schema', { name: schema });
  if (found === undefined || found.ours === true) return;
  throw new HoldfastError('failed', `schema "${schema}" belongs to role "${found.owner}"`, {
    code: 'insufficient_privilege',
    hint: `type as its owner: ALTER SCHEMA ${quoteIdentifier(schema)} RENAME TO another_name; then run "holdfast install" again`,
  });
}

/**
 * The statements of one query are one transaction. Without the lock, which only the owner can take, two installations at a
 * time would change the same rows of the catalog, and the second would fail with "tuple concurrently updated".
 */
function grants(schema: string, worker: string, of: string): string {
  const comment = quoteLiteral(`The queue of Holdfast's chores (schema ${of}), kept by pg-boss.`);
  return [
    `lock table ${quoteIdentifier(of)}.migration in share row exclusive mode`,
    `grant usage on schema ${schema} to ${worker}`,
    `grant select, insert, update, delete on all tables in schema ${schema} to ${worker}`,
    `comment on schema ${schema} is ${comment}`,
  ].join('; ');
}
