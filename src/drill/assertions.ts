/**
 * Reads assertions about the recovered databases from a SQL file. Each statement follows a line "-- name: …".
 * A statement runs in the database postgres, unless a line "-- database: …" names another database. A
 * statement has to return one row whose first column is true.
 */
import { readFile } from 'node:fs/promises';
import { HoldfastError, messageOf } from '../errors.ts';

/** One statement that has to return true. */
export interface Assertion {
  name: string;
  database: string;
  sql: string;
}

/**
 * Reads a file of assertions; undefined means no assertions.
 * @throws HoldfastError of kind `usage`, `bad_assertions`
 */
export async function readAssertions(file: string | undefined): Promise<Assertion[]> {
  if (file === undefined) return [];
  try {
    return parseAssertions(await readFile(file, 'utf8'));
  } catch (error) {
    throw new HoldfastError('usage', `the assertions in "${file}" cannot be used: ${messageOf(error)}`, {
      code: 'bad_assertions',
      hint: 'begin each with a line "-- name: what must be true", perhaps "-- database: shop", and let one SELECT follow',
      cause: error,
    });
  }
}

/**
 * Parses the text of a file of assertions.
 * @throws RangeError where the text is not valid
 */
export function parseAssertions(text: string): Assertion[] {
  const [before = '', ...blocks] = text.split(/^--[ \t]*name:/m);
  if (isStatement(before)) throw new RangeError('what comes before the first name belongs to none');
  const names = new Set<string>();
  return blocks.map((block) => {
    const end = block.indexOf('\n');
    const name = (end < 0 ? block : block.slice(0, end)).trim();
    const rest = end < 0 ? '' : block.slice(end + 1);
    const database = /^--[ \t]*database:(.*)$/m.exec(rest)?.[1]?.trim() ?? 'postgres';
    const sql = rest.trim().replace(/;\s*$/, '');
    if (name === '' || database === '') throw new RangeError('a name is empty');
    if (names.has(name)) throw new RangeError(`"${name}" is there twice`);
    if (!isStatement(sql)) throw new RangeError(`"${name}" has no statement`);
    names.add(name);
    return { name, database, sql };
  });
}

/** Whether the text contains anything but comments. */
function isStatement(sql: string): boolean {
  return sql.replaceAll(/--[^\n]*/g, '').trim() !== '';
}
