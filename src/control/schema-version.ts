/** Which version of the schema is installed, and which one this release needs. */
import { readdirSync } from 'node:fs';
import type { Connection } from '../database/connection.ts';
import { packageRoot } from '../database/statements.ts';
import { HoldfastError } from '../errors.ts';

export interface Migration {
  number: number;
  name: string;
  file: URL;
}

/** The migrations that this release knows, in order. */
export function migrations(): Migration[] {
  return sqlFiles('migrations/').map((file) => {
    const [, number, name] = /(\d+)-([^/]+)\.sql$/.exec(file.pathname) ?? [];
    return { number: Number(number), name: name ?? '', file };
  });
}

/** The version of the schema that this release needs. */
export function schemaVersion(): number {
  return Math.max(...migrations().map(({ number }) => number));
}

/** 0 where there is no installation. */
export async function installedVersion(db: Connection, schema: string): Promise<number> {
  const [found] = await db.run('installation', 'find', { name: schema });
  if (!found?.installed) return 0;
  const [row] = await db.run('installation', 'version');
  return Number(row?.version);
}

/** Raises unless the installed schema is the one that this release needs. */
export async function requireSchema(db: Connection, schema: string): Promise<void> {
  const version = await installedVersion(db, schema);
  refuseNewer(version, schema);
  if (version === 0) {
    throw new HoldfastError('usage', `Holdfast is not installed in schema "${schema}" of this database`, {
      code: 'not_installed',
      hint: 'run "holdfast install" as a role that may create a schema and roles; or name another database or schema',
    });
  }
  if (version < schemaVersion()) {
    throw new HoldfastError(
      'usage',
      `schema "${schema}" has version ${version}, older than this release's ${schemaVersion()}`,
      {
        code: 'schema_too_old',
        hint: 'run "holdfast install" to upgrade it',
      },
    );
  }
}

export function refuseNewer(version: number, schema: string): void {
  if (version <= schemaVersion()) return;
  throw new HoldfastError(
    'usage',
    `schema "${schema}" has version ${version}, newer than this release's ${schemaVersion()}`,
    {
      code: 'schema_too_new',
      hint: 'upgrade Holdfast on this host',
    },
  );
}

/** The SQL files of one directory of the package, in order. */
export function sqlFiles(directory: string): URL[] {
  const base = new URL(directory, packageRoot);
  return readdirSync(base)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => new URL(name, base));
}
