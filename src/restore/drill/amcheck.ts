/**
 * One database, as thoroughly as PostgreSQL can look at itself: this server has nobody to keep waiting, so every
 * B-tree is checked from parents to children with all rows of its table, which a server at work cannot afford.
 */
import type { Connection } from '../../control/connection.ts';
import {
  checkBtree,
  checkGin,
  checkHeap,
  indexesHere,
  installAmcheck,
  tablesHere,
  type CheckedIndex,
  type CheckedTable,
} from '../../control/private-server.ts';
import { messageOf } from '../../errors.ts';

const mostProblems = 50;

export interface Looked {
  detail: string;
  problems: string[];
  skipped?: boolean;
}

/** @throws only where the connection is lost */
export async function checkDatabase(db: Connection, major: number): Promise<Looked> {
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
  const heaps = available && major >= 14 ? tables : tables.filter(({ kind }) => kind !== 't');
  for (const table of heaps) await note(`table ${table.name}`, () => checkTable(db, table, available, major));
  const indexes = available ? (await indexesHere(db)).filter(checkable(major)) : [];
  for (const index of indexes)
    await note(`index ${index.name}`, async () => {
      await (index.method === 'gin' ? checkGin(db, index) : checkBtree(db, index, major));
      return [];
    });
  return { problems, ...summary(heaps.length, indexes.length, available) };
}

function checkable(major: number) {
  return ({ method }: CheckedIndex) => method === 'btree' || (method === 'gin' && major >= 18);
}

/** Where nothing verifies rows, all of them are read at least, with what is stored out of line. */
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

function summary(tables: number, indexes: number, available: boolean): Omit<Looked, 'problems'> {
  if (available) return { detail: `${tables} tables, ${indexes} indexes` };
  return {
    detail: `${tables} tables were read; not checked: these programs came without the extension amcheck`,
    skipped: true,
  };
}
