// A control database that was restored to an earlier time knows that its live rows are not its own.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const ownTest = testWhen(noOwnCluster);

test('a request carries the system identifier and the timeline of its control database', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const id = await request(client);
  const identifier = await client.value<string>('select system_identifier::text from pg_control_system()');
  const origin = () => client.value('select control_origin from holdfast.backup_request where id = $1', [id]);
  t.is(await origin(), `${identifier}/1`);
  t.is(await client.value('select holdfast.control_origin()'), `${identifier}/1`);
});

ownTest(
  'after a recovery the origin of what was requested before is another one than the server’s',
  async (t) => {
    const cluster = await ownCluster(t, { settings: { restore_command: 'false' }, installed: true });
    const { url } = await installedDatabase(t, cluster);
    const before = await request(await connect(t, url));

    await cluster.stop();
    await writeFile(join(cluster.dataDirectory ?? '', 'recovery.signal'), '');
    await cluster.start();
    const client = await connect(t, url);
    await eventuallyRow(client, 'select where not pg_is_in_recovery()');
    const after = await request(client);

    const own = await client.query<{ id: string }>(
      'select id from holdfast.backup_request where control_origin = holdfast.control_origin()',
    );
    t.deepEqual(own, [{ id: after }]);
    t.regex(await client.value('select holdfast.control_origin()'), /\/2$/);
    t.not(before, after);
  },
);

ownTest('a restart is no recovery: the origin stays', async (t) => {
  const cluster = await ownCluster(t, { installed: true });
  const { url } = await installedDatabase(t, cluster);
  const before = await (await connect(t, url)).value('select holdfast.control_origin()');
  await cluster.restart('immediate');
  t.is(await (await connect(t, url)).value('select holdfast.control_origin()'), before);
});
