/** The version of the installed schema, and the version that this release needs. */
import { readdirSync } from 'node:fs';
import type { Connection } from '../database/connection.ts';
import { quoteIdentifier } from '../database/sql-script.ts';
import { packageRoot } from '../database/statements.ts';
import { HoldfastError } from '../errors.ts';

/** A file of migrations/. */
export interface Migration {
  number: number;
  name: string;
  file: URL;
}

/** The migrations of this release, in order. */
export function migrations(): Migration[] {
  return sqlFiles('migrations/').map((file) => {
    const [, number, name] = /(\d+)-([^/]+)\.sql$/.exec(file.pathname) ?? [];
    return { number: Number(number), name: name ?? '', file };
  });
}

/** The version of the schema that this release needs: the number of its last migration. */
export function schemaVersion(): number {
  return Math.max(...migrations().map(({ number }) => number));
}

/** The version of the installed schema; 0: not installed. @throws HoldfastError `schema_unreleased` */
export async function installedVersion(db: Connection, schema: string): Promise<number> {
  const [found] = await db.run('installation', 'find', { name: schema });
  if (!found?.installed) return 0;
  const applied = await db.run<AppliedMigration>('installation', 'migrations');
  refuseUnreleased(applied, schema);
  return Math.max(0, ...applied.map(({ number }) => number));
}

type AppliedMigration = Pick<Migration, 'number' | 'name'>;

/** The migrations of before the first release had other names, and higher numbers. */
function refuseUnreleased(applied: AppliedMigration[], schema: string): void {
  const known = new Map(migrations().map(({ number, name }) => [number, name]));
  const other = applied.find(({ number, name }) => (known.get(number) ?? name) !== name);
  if (other === undefined) return;
  throw new HoldfastError(
    'usage',
    `schema "${schema}" was made by migrations that were never released: number ${other.number} is "${other.name}", and not "${known.get(other.number)}"`,
    {
      code: 'schema_unreleased',
      hint: `install into another schema with --schema, or drop this one, with the history of its backups: DROP SCHEMA IF EXISTS ${quoteIdentifier(schema)}, ${quoteIdentifier(`${schema}_boss`)} CASCADE`,
    },
  );
}

/**
 * Checks that the installed schema has the version of this release.
 * @throws HoldfastError `not_installed`, `schema_too_old`, `schema_too_new`
 */
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

/** Refuses a schema that is newer than this release. @throws HoldfastError `schema_too_new` */
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

/** The SQL files of a directory of the package, in order. */
export function sqlFiles(directory: string): URL[] {
  const base = new URL(directory, packageRoot);
  return readdirSync(base)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => new URL(name, base));
}
