// A release that is not there yet: a copy of this package with one migration more. Its modules are its own, and so are
// the files that they read.
import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExecutionContext } from 'ava';
import type * as connection from '../../src/database/connection.ts';
import type * as installSchema from '../../src/control/install-schema.ts';
import type * as schemaVersions from '../../src/control/schema-version.ts';
import { migrations, schemaVersion } from '../../src/control/schema-version.ts';
import { root } from '../../dev/root.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface NextRelease {
  /** Of the migration that this release has not. */
  readonly number: number;
  install(url: string): Promise<Omit<installSchema.Installation, 'chores'>>;
  /** What every command and every worker does first. */
  requireSchema(url: string): Promise<void>;
  /** Its sql/install.sql. */
  readonly script: string;
}

/** `files` come beside those of this release, or take the place of some: by their paths in the package. */
export async function nextRelease(
  t: ExecutionContext,
  { name, migration, files = {} }: { name: string; migration: string; files?: Record<string, string> },
): Promise<NextRelease> {
  const directory = await temporaryDirectory(t);
  for (const part of ['migrations', 'package.json', 'sql', 'src'])
    await cp(join(root, part), join(directory, part), { recursive: true });
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));

  const number = schemaVersion() + 1;
  const file = `${String(number).padStart(3, '0')}-${name}.sql`;
  const script = join(directory, 'sql', 'install.sql');
  await writeFile(join(directory, 'migrations', file), migration);
  await writeFile(script, withMigration(await readFile(script, 'utf8'), number, name, file));
  for (const [path, text] of Object.entries(files)) await writeFile(join(directory, path), text);

  const load = (path: string) => import(pathToFileURL(join(directory, path)).href) as Promise<unknown>;
  const { Connection } = (await load('src/database/connection.ts')) as typeof connection;
  const { install } = (await load('src/control/install-schema.ts')) as typeof installSchema;
  const { requireSchema } = (await load('src/control/schema-version.ts')) as typeof schemaVersions;
  const connected = async <T>(url: string, work: (db: connection.Connection) => Promise<T>) => {
    const db = await Connection.open({ url, schema: 'holdfast' });
    try {
      return await work(db);
    } finally {
      await db.close();
    }
  };
  return {
    number,
    install: (url) =>
      connected(url, async (db) => {
        const { before, after, applied } = await install(db, 'holdfast');
        return { before, after, applied };
      }),
    requireSchema: (url) => connected(url, (db) => requireSchema(db, 'holdfast')),
    script,
  };
}

/** As sql/install.sql grows with a release. */
function withMigration(script: string, number: number, name: string, file: string): string {
  const last = migrations().at(-1)?.name ?? '';
  return script
    .replace(
      `(${number - 1}, '${last}')\n  ) known`,
      `(${number - 1}, '${last}'), (${number}, '${name}')\n  ) known`,
    )
    .replace(`:version > ${number - 1}\n`, `:version > ${number}\n`)
    .replace(
      /\n\\ir functions\//,
      `select :version < ${number} as needed \\gset
\\if :needed
  \\ir ../migrations/${file}
  insert into :"schema".migration (number, name) values (${number}, '${name}');
\\endif
\n\\ir functions/`,
    );
}
