/**
 * psql scripts without psql: the same migration and function files are applied by `holdfast install`
 * and by plain psql. Of psql's language this knows variables (`:"name"` as an identifier, `:'name'` as a
 * literal, neither inside quotes or dollar quotes) and `\gexec`.
 */
import { HoldfastError } from '../errors.ts';

export interface ScriptStatement {
  sql: string;
  /** Run each value of its result as a statement of its own (psql's `\gexec`). */
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

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(value: string): string {
  const doubled = value.replaceAll("'", "''");
  return value.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
