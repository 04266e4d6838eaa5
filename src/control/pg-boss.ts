/** pg-boss as Holdfast uses it, loaded only where it is needed. The only importer of pg-boss. */
import { createHash } from 'node:crypto';
import type { ConstructorOptions, PgBoss } from 'pg-boss';
import type { Connection } from '../database/connection.ts';
import { quoteIdentifier } from '../database/sql-script.ts';

export type { PgBoss } from 'pg-boss';

/** The oldest server version that has all functions that pg-boss calls. */
export const oldestQueueServer = 130_000;

/** Runs a statement of pg-boss, or a script of several that is a transaction. */
export type BossExecutor = (
  text: string,
  values?: readonly unknown[],
) => Promise<{ rows: Record<string, unknown>[] }>;

/** Nothing runs in the background. */
const quiet = {
  supervise: false,
  schedule: false,
  registerInstance: false,
  openTelemetry: { enabled: false },
  reindex: false,
  monitorVacuum: false,
  allowSchemaCaseVariant: true,
  monitorIntervalSeconds: 1,
  bamIntervalSeconds: 10,
  queueCacheIntervalSeconds: 86_400,
} satisfies ConstructorOptions;

/** Creates the object of pg-boss. `migrate`: whether start() creates or upgrades the schema. */
export async function createBoss(schema: string, migrate: boolean, execute: BossExecutor): Promise<PgBoss> {
  const { PgBoss } = await import('pg-boss');
  return new PgBoss({
    ...quiet,
    migrate,
    schema: quoteIdentifier(queueSchema(schema)),
    db: { executeSql: execute },
  });
}

/** Runs a statement of pg-boss on a connection. */
export async function executeOn(
  db: Connection,
  text: string,
  values: readonly unknown[] = [],
): Promise<{ rows: Record<string, unknown>[] }> {
  const inOurs = db.isInTransaction;
  try {
    return { rows: await db.query(text, values) };
  } catch (error) {
    // A script has begun its own transaction. The state of the session is known after the next answer.
    if (!inOurs && !db.isLost) {
      await db.query('');
      if (db.isInTransaction) await db.query('rollback');
    }
    throw error;
  }
}

/**
 * The name of the schema of the queue. pg-boss refuses some characters in a schema name, quoted or not, and "--"
 * would look like a comment.
 */
export function queueSchema(schema: string): string {
  // oxlint-disable-next-line no-control-regex
  if (!/--|["'%$.\\\u0000-\u001f\u007f]/.test(schema)) return `${schema}_boss`;
  return `holdfast_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}_boss`;
}
