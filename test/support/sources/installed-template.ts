// A data directory with a database in which Holdfast is installed: an installation takes a second of a processor, and
// most tests begin with one. It is made anew when what is installed has changed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../../../dev/embedded/cache.ts';
import { createCluster, type Major } from '../../../dev/embedded/cluster.ts';
import { packageRoot } from '../../../src/database/statements.ts';
import { installInto } from '../../../dev/harness/install-into.ts';
import { withClient } from '../sql-client.ts';

/** The database with Holdfast in it, in the schema holdfast. */
export const installedName = 'installed';

/** The data directory of a stopped server, to be copied. */
export async function installedTemplate(version: Major): Promise<string> {
  const entry = await cached(`installed-${version}-${fingerprint()}`, async (directory) => {
    const cluster = await createCluster({ version, directory, settings: { archive_mode: 'off' } });
    try {
      await cluster.start();
      await withClient(cluster.url(), (client) => client.query(`create database ${installedName}`));
      await installInto(cluster.url({ database: installedName }));
      await cluster.stop('fast');
    } finally {
      await cluster.remove();
    }
  });
  return join(entry, 'data');
}

/** A copy's system identifier or OID is its own, and so is its origin: it was installed there, for all that it knows. */
export async function confirmOrigin(url: string): Promise<void> {
  await withClient(url, (client) =>
    client.query('update holdfast.confirmed_origin set origin = holdfast.control_origin()'),
  );
}

let known: string | undefined;

/** Of all that an installation reads. */
function fingerprint(): string {
  return (known ??= hashOf([
    ...sqlBelow('migrations'),
    ...sqlBelow('sql'),
    'src/control/install-schema.ts',
    'src/control/install-queue.ts',
    'src/control/pg-boss.ts',
    'node_modules/pg-boss/package.json',
  ]));
}

function sqlBelow(directory: string): string[] {
  const names = readdirSync(new URL(directory, packageRoot), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => `${directory}/${name}`);
}

function hashOf(files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(new URL(file, packageRoot)));
  return hash.digest('hex').slice(0, 12);
}
