/** Reads libpq's password file: ~/.pgpass, or PGPASSFILE. (The PostgreSQL manual, "The Password File".) */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The connection for which a password is looked up. */
export interface Login {
  host: string;
  port: number;
  database: string;
  user: string;
}

/**
 * Returns the password of a connection. undefined: the file has no such password, the file does not exist, or
 * other users may read the file. libpq ignores such a file and prints a warning, too.
 */
export async function passwordFromFile(login: Login): Promise<string | undefined> {
  const file = process.env['PGPASSFILE'] || join(homedir(), '.pgpass');
  const found = await stat(file).catch(() => undefined);
  if (found === undefined || !found.isFile()) return undefined;
  if ((found.mode & 0o077) !== 0) {
    process.stderr.write(`holdfast: warning: "${file}" is not used: others may read it (chmod 600)\n`);
    return undefined;
  }
  return passwordIn(await readFile(file, 'utf8'), login);
}

/** Returns the password of the first line that matches; undefined: no line matches. A pure function. */
export function passwordIn(text: string, { host, port, database, user }: Login): string | undefined {
  const hosts = host.startsWith('/') ? [host, 'localhost'] : [host];
  const wanted = [hosts, [String(port)], [database], [user]];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const fields = fieldsOf(line);
    const password = fields[4];
    const fits = wanted.every((values, n) => fields[n] === '*' || values.includes(fields[n] ?? ''));
    if (fits && password !== undefined && password !== '') return password;
  }
  return undefined;
}

/** Splits a line into fields. A backslash escapes a colon or a backslash. */
function fieldsOf(line: string): string[] {
  const fields = line.match(/(?:^|:)(?:\\.|[^:\\])*/g) ?? [];
  return fields.map((field, n) => (n === 0 ? field : field.slice(1)).replaceAll(/\\(.)/g, '$1'));
}
