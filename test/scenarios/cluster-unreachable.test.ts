// One of several clusters cannot be reached.
import test, { type ExecutionContext } from 'ava';
import { completeBackup, startBackup, untilState } from '../support/backups.ts';
import { sharedCluster } from '../support/cluster.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

/** Nobody listens there. */
const nowhere = 'postgres://postgres@127.0.0.1:1/postgres';

async function setup(t: ExecutionContext, clusters: Record<string, string>) {
  const db = await installedDatabase(t);
  const blocks = Object.entries(clusters).map(([name, url]) => `[cluster.${name}]\nurl = "${url}"\n`);
  const worker = await startWorkerProcess(t, { url: db.url, config: blocks.join('') });
  return { db, worker, client: await connect(t, db.url) };
}

test('a cluster that cannot be reached fails its requests, and the others are served meanwhile', async (t) => {
  const up = await sharedCluster();
  const { client } = await setup(t, { up: up.url(), down: nowhere });
  const backUp = async () => {
    const before = performance.now();
    await completeBackup(client, (await startBackup(client, { cluster: 'up' })).id);
    return performance.now() - before;
  };
  const alone = await backUp();
  const down = await request(client, { cluster: 'down' });
  const meanwhile = await backUp();
  t.true(meanwhile < alone + 3000, `${meanwhile} ms, alone ${alone}`);

  const refused = await untilState(client, down, 'failed', { within: 15_000 });
  t.is(refused.error_code, 'cluster_unreachable');
  t.regex(String(refused.error), /cluster "down" does not answer: .*127\.0\.0\.1:1/);
  t.regex(String(refused.hint), /url of the cluster/);
});
