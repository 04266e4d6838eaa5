import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { createLog } from '../../src/log.ts';
import { ClusterServer } from '../../src/server/cluster-server.ts';
import { noServerFiles, sharedCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

test('a server is not believed to run on the data directory of another one of its system', async (t) => {
  const cluster = await sharedCluster();
  const dataDirectory = String(cluster.dataDirectory);
  const other = await temporaryDirectory(t);
  await cp(join(dataDirectory, 'global'), join(other, 'global'), { recursive: true });
  const server = new ClusterServer({
    name: 'main',
    connect: { url: cluster.url(), schema: 'holdfast' },
    dataDirectory: undefined,
    archiveDirectory: undefined,
    onMonitor: () => undefined,
    log: createLog({ level: 'error' }),
  });
  t.teardown(() => server.close());
  const client = await connect(t, cluster.url());
  await eventually('the server writes its own pg_control', async () => {
    await client.query('checkpoint');
    return !(await server.runsOn(other));
  });
  t.true(await server.runsOn(dataDirectory));
  t.false(await server.runsOn(join(other, 'none')));
});
