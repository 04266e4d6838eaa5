/**
 * Runs psql scripts without psql: `holdfast install` and plain psql apply the same migration and function files.
 * Of psql's language, this parser knows variables (`:"name"` as an identifier, `:'name'` as a literal, neither
 * inside quotes nor dollar quotes), `\gexec`, and `\ir` on a line of its own.
 */
import { readFileSync } from 'node:fs';
import { HoldfastError } from '../errors.ts';

/** One statement of a script. */
export interface ScriptStatement {
  sql: string;
  /** Whether each value of the result is run as a statement of its own (psql's `\gexec`). */
  gexec: boolean;
}

const token = new RegExp(
  [
    String.raw`--[^\n]*`,
    String.raw`'(?:[^']|'')*'`,
    String.raw`"(?:[^"]|"")*"`,
    String.raw`\$(?<tag>\w*)\$[\s\S]*?\$\k<tag>\$`,
    String.raw`::`,
    String.raw`:"(?<identifier>\w+)"`,
    String.raw`:'(?<literal>\w+)'`,
    String.raw`\\gexec`,
    String.raw`;`,
  ].join('|'),
  'g',
);

/** Reads a script with the scripts that it includes. */
export function readScript(file: URL): string {
  return readFileSync(file, 'utf8').replaceAll(/^\\ir (\S+)$/gm, (_, included: string) =>
    readScript(new URL(included, file)),
  );
}

/**
 * Splits a script into statements and replaces the variables.
 * @throws HoldfastError where a variable is not set
 */
export function parseScript(text: string, variables: Record<string, string>): ScriptStatement[] {
  const statements: ScriptStatement[] = [];
  let sql = '';
  let from = 0;
  const end = (gexec: boolean) => {
    if (sql.trim() !== '') statements.push({ sql: sql.trim(), gexec });
    sql = '';
  };
  const valueOf = (name: string) => {
    const value = variables[name];
    if (value === undefined) throw new HoldfastError('failed', `script variable "${name}" is not set`);
    return value;
  };

  for (const match of text.matchAll(token)) {
    sql += text.slice(from, match.index);
    from = match.index + match[0].length;
    const { identifier, literal } = match.groups ?? {};
    if (identifier !== undefined) sql += quoteIdentifier(valueOf(identifier));
    else if (literal !== undefined) sql += quoteLiteral(valueOf(literal));
    else if (match[0] === ';' || match[0] === '\\gexec') end(match[0] !== ';');
    else if (!match[0].startsWith('--')) sql += match[0];
  }
  sql += text.slice(from);
  end(false);
  return statements;
}

/** Quotes an identifier, like quote_ident, but always with quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a literal, like quote_literal. */
export function quoteLiteral(value: string): string {
  const doubled = value.replaceAll("'", "''");
  return value.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
