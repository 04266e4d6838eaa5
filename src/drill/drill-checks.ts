/** Runs the checks of a drill on the recovered server. A problem is recorded, and the next check follows. */
import type { DrillCheck } from '../control/drill-records.ts';
import { queryCancelled, ServerError } from '../database/connection.ts';
import {
  disableEventTriggers,
  letReadHere,
  openForReading,
  openAsSuperuser,
  type DrillServerAddress,
} from './drill-server-queries.ts';
import { messageOf } from '../errors.ts';
import { checkDatabase } from './amcheck.ts';
import type { Assertion } from './assertions.ts';

/** The server and the checks. */
export interface DrillChecks {
  address: DrillServerAddress;
  major: number;
  databases: readonly string[];
  assertions: readonly Assertion[];
  /** Milliseconds for each assertion. */
  assertionTimeout: number;
  /** An abort ends the server, so that the current check fails. */
  signal: AbortSignal;
  /** Reports the check that begins. */
  onCheck: (what: string) => void;
}

/**
 * Runs amcheck in every database, and then the assertions.
 * @throws only where the signal is aborted
 */
export async function checkServer(checks: DrillChecks): Promise<DrillCheck[]> {
  const found: DrillCheck[] = [];
  for (const database of checks.databases) {
    checks.onCheck(`amcheck of ${database}`);
    found.push(await amcheck(checks, database));
    checks.signal.throwIfAborted();
  }
  for (const assertion of checks.assertions) {
    checks.onCheck(`assertion "${assertion.name}"`);
    found.push(await assert(checks, assertion));
    checks.signal.throwIfAborted();
  }
  return found;
}

async function amcheck({ address, major, assertions }: DrillChecks, database: string): Promise<DrillCheck> {
  return timed({ check: 'amcheck', database }, async () => {
    const db = await openAsSuperuser(address, database, major);
    try {
      if (major < 17) await disableEventTriggers(db);
      if (major < 14 && assertions.length > 0) await letReadHere(db);
      return await checkDatabase(db, major);
    } finally {
      await db.close();
    }
  });
}

/**
 * Runs one assertion as a role that can only read: an object named in the assertion may be a trap of any role
 * with the privilege to create objects in the cluster.
 */
async function assert(
  { address, assertionTimeout }: DrillChecks,
  { name, database, sql }: Assertion,
): Promise<DrillCheck> {
  return timed({ check: `assertion: ${name}`, database }, async () => {
    const db = await openForReading(address, database);
    try {
      // The search path of ordinary clients, because an assertion names objects as a client does.
      await db.query(`set statement_timeout = ${assertionTimeout}; reset search_path`);
      await db.query('begin');
      // A second timeout, because the statement may turn statement_timeout off.
      const answers = await db.queryEach(sql, { timeout: assertionTimeout + 5000 });
      return { detail: '', problems: wrongAnswer(answers) };
    } catch (error) {
      return { detail: '', problems: [assertionFailed(error, assertionTimeout)] };
    } finally {
      await db.close();
    }
  });
}

function assertionFailed(error: unknown, timeout: number): string {
  if (error instanceof ServerError && error.code === queryCancelled)
    return `it had no answer after ${timeout / 1000} s`;
  return `it failed: ${messageOf(error)}`;
}

/** Why the result is not true; several statements at once have no result. */
function wrongAnswer(answers: Record<string, unknown>[][]): string[] {
  const [rows = [], ...others] = answers;
  if (others.length > 0) return ['it is more than one statement'];
  if (rows.length !== 1) return [`it returned ${rows.length} rows instead of one`];
  const [value] = Object.values(rows[0] ?? {});
  return value === true ? [] : [`it returned ${JSON.stringify(value ?? null)} instead of true`];
}

/** Runs a check and measures its time. An error becomes a problem of the check. */
export async function timed(
  what: Pick<DrillCheck, 'check' | 'database'>,
  work: () => Promise<{ detail: string; problems: string[]; skipped?: boolean }>,
): Promise<DrillCheck> {
  const began = performance.now();
  const found = await work().catch((error: unknown) => ({ detail: '', problems: [messageOf(error)] }));
  const seconds = Math.round(performance.now() - began) / 1000;
  return { ...what, ok: found.problems.length === 0, ...found, seconds };
}
