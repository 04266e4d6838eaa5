// A control database that was restored to an earlier time knows that its live rows are not its own.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { freshDatabase, noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { request } from '../support/requests.ts';
import { connect, openClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const ownTest = testWhen(noOwnCluster);

test('a request carries the system identifier, the OIDs and the timeline of its control database', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const id = await request(client);
  const identifier = await client.value<string>('select system_identifier::text from pg_control_system()');
  const origin = () => client.value('select control_origin from holdfast.backup_request where id = $1', [id]);
  const oid = await client.value<string>('select holdfast.this_database()::text');
  const table = await client.value<string>(`select 'holdfast.confirmed_origin'::regclass::oid::text`);
  t.is(await origin(), `${identifier}/${oid}/${table}/1`);
  t.is(await client.value('select holdfast.control_origin()'), `${identifier}/${oid}/${table}/1`);
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

test('a copy of the control database on the same server rests, and what was requested in the original is not its own', async (t) => {
  const db = await installedDatabase(t);
  const original = await openClient(db.url);
  const id = await request(original);
  await original.close(); // nobody may be connected to a template
  const copy = await connect(t, (await freshDatabase(t, db.cluster, { template: db.name })).url);

  t.false(await copy.value('select holdfast.origin_is_confirmed()'));
  await t.throwsAsync(copy.query(`select holdfast.require_confirmed_origin('expiry')`), {
    message: 'expiry rests: this control database is a restored copy or a promoted standby of another',
  });
  const own = 'select control_origin = holdfast.control_origin() from holdfast.backup_request where id = $1';
  t.false(await copy.value(own, [id]));
  t.true(await (await connect(t, db.url)).value(own, [id]));
  await copy.query('select holdfast.adopt()');
  t.true(await copy.value('select holdfast.origin_is_confirmed()'));
  t.false(await copy.value(own, [id]), 'adopting it does not make the old requests its own');
});

test('what is restored from a dump into the same database rests, and executes no request of before', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const id = await request(client);
  // As pg_restore makes it: the rows of before in a table of its own.
  for (const sql of [
    'alter table holdfast.confirmed_origin rename to dumped',
    'create table holdfast.confirmed_origin (like holdfast.dumped including all)',
    'insert into holdfast.confirmed_origin select * from holdfast.dumped',
    'drop table holdfast.dumped',
  ])
    await client.query(sql);
  t.false(await client.value('select holdfast.origin_is_confirmed()'));
  await client.query('select holdfast.adopt()');
  t.true(await client.value('select holdfast.origin_is_confirmed()'));
  const own = 'select control_origin = holdfast.control_origin() from holdfast.backup_request where id = $1';
  t.false(await client.value(own, [id]), 'adopting it does not make the old requests its own');
});
