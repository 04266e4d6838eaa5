// The queue of chores, made and upgraded by pg-boss as a part of the installation.
import { schemaVersion } from '../../src/control/schema-version.ts';
import { quoteIdentifier } from '../../src/database/sql-script.ts';
import { noChores } from '../support/chores.ts';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { holdQueueLock, queueSchemaVersion, rollBackQueue } from '../support/queue-schema.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noChores);

test('the lock with which pg-boss makes its schema holds up an installation for seconds, and its holder is named', async (t) => {
  const { url } = await freshDatabase(t);
  const stranger = await connect(t, url);
  await holdQueueLock(stranger);
  const began = performance.now();
  const refused = await t.throwsAsync(installInto(url), {
    message: new RegExp(
      `^schema "holdfast" is held up: backend ${stranger.pid} of role "\\w+" \\(holdfast-test\\)`,
    ),
  });
  t.like(refused, { code: 'install_held_up' });
  t.true(performance.now() - began < 60_000);
  t.is(
    await stranger.value('select max(number) from holdfast.migration'),
    schemaVersion(),
    'all but the queue',
  );

  await stranger.query('select pg_advisory_unlock_all()');
  await t.notThrowsAsync(installInto(url));
  await holdQueueLock(stranger);
  await t.notThrowsAsync(installInto(url), 'where the queue is up to date, the lock is not needed');
});

test('a role whose name has capitals installs the queue, and installs again', async (t) => {
  const cluster = await sharedCluster();
  const { name, url } = await freshDatabase(t, cluster);
  const superuser = await connect(t, url);
  const role = `Ops "${name}"`;
  await superuser.query(`create role ${quoteIdentifier(role)} superuser login`);
  const own = cluster.url({ database: name, user: role });
  await t.notThrowsAsync(installInto(own));
  await t.notThrowsAsync(installInto(own));
  await superuser.query(`reassign owned by ${quoteIdentifier(role)} to current_user`);
  await superuser.query(`drop owned by ${quoteIdentifier(role)}`);
  await superuser.query(`drop role ${quoteIdentifier(role)}`);
});

test('two installations at a time upgrade the queue of an earlier pg-boss, and the chores that wait in it stay', async (t) => {
  const { url } = await freshDatabase(t, await sharedCluster(), { encoding: 'LATIN1', locale: 'C' });
  await installInto(url);
  const client = await connect(t, url);
  const newest = await queueSchemaVersion(client);
  await client.query(`select holdfast_boss.create_queue('main/verify', '{"policy": "singleton"}')`);
  await client.query(`insert into holdfast_boss.job (name, data) values ('main/verify', '{"chore": 7}')`);
  // That of pg-boss 12.30.
  await rollBackQueue(client, 40);
  const indexes = `select indexname from pg_indexes where schemaname = 'holdfast_boss' order by 1`;
  const before = await client.query(indexes);

  await Promise.all([installInto(url), installInto(url)]);
  t.is(await queueSchemaVersion(client), newest);
  t.deepEqual(await client.query('select name, data, state from holdfast_boss.job'), [
    { name: 'main/verify', data: { chore: 7 }, state: 'created' },
  ]);
  t.is(await client.value(`select count(*)::int from holdfast_boss.bam where status <> 'completed'`), 0);
  t.true((await client.query(indexes)).length > before.length);
});
