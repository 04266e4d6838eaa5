// node dev/docs.ts: makes the generated parts of README.md and docs/ anew.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '../src/database/connection.ts';
import { install } from '../src/control/install-schema.ts';
import { openClient } from './harness/sql-client.ts';
import { root } from './root.ts';
import { regenerate } from './docs/generate.ts';
import { createCluster } from './embedded/cluster.ts';

const cluster = await createCluster();
try {
  await cluster.start();
  const db = await Connection.open({ url: cluster.url() });
  await install(db, 'holdfast');
  await db.close();

  const client = await openClient(cluster.url());
  const pages = (await readdir(join(root, 'docs'))).map((name) => join('docs', name));
  for (const page of ['README.md', ...pages.filter((name) => name.endsWith('.md'))]) {
    const path = join(root, page);
    const text = await readFile(path, 'utf8');
    const made = await regenerate(text, path, client);
    if (made !== text) console.log(`${page}: changed`);
    await writeFile(path, made);
  }
  await client.close();
} finally {
  await cluster.remove();
}
