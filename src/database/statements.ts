/**
 * Named statements. Every query of Holdfast is in `sql/queries/<file>.sql` below a line `-- name: the_name`, with
 * `:placeholder`s that are checked against the given values.
 */
import { readFileSync } from 'node:fs';
import { HoldfastError } from '../errors.ts';
import { quoteIdentifier } from './sql-script.ts';

/** A value for a placeholder. */
export type StatementValue = string | number | bigint | boolean | Date | Buffer | null | readonly unknown[];

/** A named statement with numbered parameters. */
export interface Statement {
  name: string;
  /** The text with $1, $2, … for the placeholders. */
  text: string;
  /** The names of the parameters, in order. */
  placeholders: string[];
}

/** The directory of migrations/ and sql/: beside src/ in a checkout, beside dist/ in the package. */
export const packageRoot = new URL('../../', import.meta.url);

const files = new Map<string, Map<string, Statement>>();

/**
 * Returns a named statement; each file is read once.
 * @throws HoldfastError where the file has no such statement
 */
export function statement(file: string, name: string): Statement {
  let statements = files.get(file);
  if (statements === undefined) {
    statements = parseStatements(readFileSync(new URL(`sql/queries/${file}.sql`, packageRoot), 'utf8'));
    files.set(file, statements);
  }
  const found = statements.get(name);
  if (found === undefined)
    throw new HoldfastError('failed', `sql/queries/${file}.sql has no statement "${name}"`);
  return found;
}

/** Parses a file of named statements. */
export function parseStatements(text: string): Map<string, Statement> {
  const statements = new Map<string, Statement>();
  for (const block of text.split(/^-- name: /m).slice(1)) {
    const lineEnd = block.indexOf('\n');
    const name = block.slice(0, lineEnd).trim();
    const placeholders: string[] = [];
    const sql = block
      .slice(lineEnd)
      .replaceAll(/'(?:[^']|'')*'|--[^\n]*|::|:([a-z_]+)\b/g, (whole, placeholder: string | undefined) => {
        if (placeholder === undefined) return whole;
        if (!placeholders.includes(placeholder)) placeholders.push(placeholder);
        return `$${placeholders.indexOf(placeholder) + 1}`;
      })
      .trim();
    statements.set(name, { name, text: sql, placeholders });
  }
  return statements;
}

/**
 * Returns the text for one schema, and the values in the order of the parameters.
 * @throws HoldfastError where a value is missing or has no placeholder
 */
export function bind(
  { name, text, placeholders }: Statement,
  schema: string,
  values: Record<string, StatementValue>,
): { text: string; values: StatementValue[] } {
  const unknown = Object.keys(values).filter((key) => !placeholders.includes(key));
  if (unknown.length > 0)
    throw new HoldfastError('failed', `statement "${name}" has no placeholder :${unknown[0]}`);
  return {
    text: text.replaceAll(':"schema"', () => quoteIdentifier(schema)),
    values: placeholders.map((placeholder) => {
      const value = values[placeholder];
      if (value === undefined) throw new HoldfastError('failed', `statement "${name}" needs :${placeholder}`);
      return value;
    }),
  };
}
