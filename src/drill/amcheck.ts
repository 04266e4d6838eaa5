/**
 * Checks one database as thoroughly as PostgreSQL can. No other session needs the private server, so every
 * B-tree is checked from parent to child pages and against all rows of its table. The locks of this check are
 * too strong for a production server.
 */
import type { Connection } from '../database/connection.ts';
import {
  checkBtree,
  checkGin,
  checkHeap,
  indexesHere,
  installAmcheck,
  tablesHere,
  type CheckedIndex,
  type CheckedTable,
} from './drill-server-queries.ts';
import { messageOf } from '../errors.ts';

/** Number of problems that are recorded. */
const mostProblems = 50;

/** The result for one database. */
export interface CheckedRelations {
  /** The number of checked relations, for people. */
  detail: string;
  problems: string[];
  /** Whether amcheck is not available, so that rows and indexes are not verified. */
  skipped?: boolean;
}

/**
 * Checks all tables and indexes of the database.
 * @throws only where the connection is lost
 */
export async function checkDatabase(db: Connection, major: number): Promise<CheckedRelations> {
  const available = await installAmcheck(db);
  const problems: string[] = [];
  const note = async (what: string, check: () => Promise<string[]>) => {
    const found = await check().catch((error: unknown) => {
      if (db.isLost) throw error;
      return [messageOf(error)];
    });
    if (problems.length < mostProblems) problems.push(...found.map((problem) => `${what}: ${problem}`));
  };

  const tables = await tablesHere(db);
  const indexes = available ? (await indexesHere(db)).filter(checkable(major)) : [];
  const locked = [...tables, ...indexes].filter(({ held }) => held === 'all').length;
  const heaps = tables.filter(
    ({ kind, held }) => held !== 'all' && (kind !== 't' || (available && major >= 14)),
  );
  for (const table of heaps) await note(`table ${table.name}`, () => checkTable(db, table, available, major));
  const readable = indexes.filter(({ held }) => held !== 'all');
  for (const index of readable)
    await note(`index ${index.name}`, async () => {
      await (index.method === 'gin' ? checkGin(db, index) : checkBtree(db, index, major));
      return [];
    });
  return { problems, ...summary(heaps.length, readable.length, { available, locked }) };
}

function checkable(major: number) {
  return ({ method }: CheckedIndex) => method === 'btree' || (method === 'gin' && major >= 18);
}

/**
 * Checks the rows of a table. If amcheck cannot verify rows, all rows are read instead, including TOAST
 * values.
 */
async function checkTable(
  db: Connection,
  table: CheckedTable,
  available: boolean,
  major: number,
): Promise<string[]> {
  if (available && major >= 14) return checkHeap(db, table);
  await db.query(table.readAll);
  return [];
}

function summary(
  tables: number,
  indexes: number,
  { available, locked }: { available: boolean; locked: number },
): Omit<CheckedRelations, 'problems'> {
  const left = locked === 0 ? '' : `; ${locked} not checked: a prepared transaction has them locked`;
  if (available) return { detail: `${tables} tables, ${indexes} indexes${left}` };
  return {
    detail: `${tables} tables were read${left}; not checked: these programs came without the extension amcheck`,
    skipped: true,
  };
}
