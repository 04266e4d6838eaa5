/** libpq's password file: ~/.pgpass, or PGPASSFILE. (The PostgreSQL manual, "The Password File".) */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Login {
  host: string;
  port: number;
  database: string;
  user: string;
}

/** undefined: the file has none for it; or it is not there, or others may read it, as libpq has it. */
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

/** That of the first line that fits. Pure. */
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

/** A backslash makes a colon or a backslash part of a field. */
function fieldsOf(line: string): string[] {
  const fields = line.match(/(?:^|:)(?:\\.|[^:\\])*/g) ?? [];
  return fields.map((field, n) => (n === 0 ? field : field.slice(1)).replaceAll(/\\(.)/g, '$1'));
}
