// node dev/schema-dump.ts [FILE]: installs into a fresh server of the newest major version, and writes what the catalog
// knows of the schema to sql/schema.txt.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installInto } from './harness/install-into.ts';
import { withClient } from './harness/sql-client.ts';
import { root } from './root.ts';
import { createCluster } from './embedded/cluster.ts';
import { describeSchema } from './schema/describe.ts';

const cluster = await createCluster();
try {
  await cluster.start();
  await installInto(cluster.url());
  const file = process.argv[2] ?? join(root, 'sql', 'schema.txt');
  await writeFile(file, await withClient(cluster.url(), (client) => describeSchema(client)));
} finally {
  await cluster.remove();
}
