/**
 * Installs or upgrades the schema: runs each new migration once, in order, and then creates all functions and
 * views anew.
 */
import { HoldfastError } from '../errors.ts';
import { ServerError, type Connection, type Row } from '../database/connection.ts';
import { parseScript, quoteIdentifier, readScript } from '../database/sql-script.ts';
import { inTurn } from './in-turn.ts';
import { HeldUp, namesOfHolders, type LockHolder } from './lock-waits.ts';
import { installedVersion, migrations, refuseNewer, schemaVersion, sqlFiles } from './schema-version.ts';

/** The result of an installation. */
export interface Installation {
  /** The version of the schema before; 0: not installed. */
  before: number;
  after: number;
  applied: string[];
  /** The name of the schema of the chore queue; null: the server is too old for the queue. */
  chores: string | null;
}

/**
 * Installs the schema in one transaction under a lock, and then the chore queue.
 * @throws HoldfastError where the schema is newer than this release, locked, or not allowed for the role
 */
export async function install(db: Connection, schema: string): Promise<Installation> {
  checkSchemaName(schema);
  try {
    const installed = await inTurn(() => installSchema(db, schema));
    const { installQueue } = await import('./install-queue.ts');
    return { ...installed, chores: (await installQueue(db, schema)) ?? null };
  } catch (error) {
    if (codeOf(error) === noPrivilege) throw notForThisRole(schema, error as ServerError);
    if (error instanceof HeldUp) throw heldUp(schema, error.holders, error);
    if (codeOf(error) !== lockNotAvailable) throw error;
    throw heldUp(schema, await db.run<LockHolder & Row>('installation', 'holders', { name: schema }), error);
  }
}

const noPrivilege = '42501';
const lockNotAvailable = '55P03';
function codeOf(error: unknown): string | undefined {
  return error instanceof ServerError ? error.code : undefined;
}

function notForThisRole(schema: string, cause: ServerError): HoldfastError {
  return new HoldfastError('failed', cause.message, {
    code: 'insufficient_privilege',
    hint: `install as the owner of schema "${schema}"; where there is none yet, as a superuser (--database-url postgres://postgres@HOST/DATABASE), or as a role with CREATEROLE and CREATE on the database`,
    cause,
  });
}

function heldUp(schema: string, holders: readonly LockHolder[], cause: unknown): HoldfastError {
  const who = holders.length > 0 ? namesOfHolders(holders) : 'another session';
  return new HoldfastError('failed', `schema "${schema}" is held up: ${who} has locked what it needs`, {
    code: 'install_held_up',
    hint: 'wait until that transaction has ended, or end it with pg_terminate_backend, and run "holdfast install" again',
    cause,
  });
}

function installSchema(db: Connection, schema: string): Promise<Omit<Installation, 'chores'>> {
  const variables = scriptVariables(schema);
  return db.transaction(async () => {
    await db.query('set local client_min_messages = warning');
    await db.query('set local check_function_bodies = off');
    // The search_path of the installing role is not used: other roles may be able to create objects there.
    await db.query('set local search_path = pg_catalog, pg_temp');
    await db.query(`set local lock_timeout = '60s'`);
    // Every role could compute and hold the key of an advisory lock; only the owner can take this table lock.
    if ((await installedVersion(db, schema)) > 0)
      await db.query(`lock table ${quoteIdentifier(schema)}.migration in share row exclusive mode`);
    const before = await installedVersion(db, schema);
    // A short timeout from here on: while an upgrade waits for a table lock, all later sessions wait behind the
    // upgrade.
    if (before > 0) await db.query(`set local lock_timeout = '10s'`);
    refuseNewer(before, schema);

    const pending = migrations().filter(({ number }) => number > before);
    for (const { number, name, file } of pending) {
      await applyFile(db, file, variables);
      await db.run('installation', 'record_migration', { number, name });
    }
    for (const file of [...sqlFiles('sql/functions/'), ...sqlFiles('sql/views/')])
      await applyFile(db, file, variables);
    return { before, after: schemaVersion(), applied: pending.map(({ name }) => name) };
  });
}

function checkSchemaName(schema: string): void {
  const bytes = Buffer.byteLength(schema);
  if (bytes >= 1 && bytes <= 40 && !schema.startsWith('pg_') && !schema.includes('\0')) return;
  throw new HoldfastError('usage', `schema name "${schema}" cannot be used`, {
    code: 'bad_schema_name',
    hint: 'give 1 to 40 bytes (role and channel names follow it) that do not start with pg_',
  });
}

function scriptVariables(schema: string): Record<string, string> {
  const role = (name: string) => `${schema}_${name}`;
  return {
    schema,
    reader: role('reader'),
    requester: role('requester'),
    operator: role('operator'),
    worker: role('worker'),
  };
}

async function applyFile(db: Connection, file: URL, variables: Record<string, string>): Promise<void> {
  for (const { sql, gexec } of parseScript(readScript(file), variables)) {
    const rows = await db.query(sql);
    if (!gexec) continue;
    for (const made of rows.flatMap((row) => Object.values(row))) await db.query(String(made));
  }
}
