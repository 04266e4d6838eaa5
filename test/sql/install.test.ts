// Installing and upgrading, by the program.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { migrations, requireSchema, schemaVersion } from '../../src/control/schema-version.ts';
import { install } from '../../src/control/install-schema.ts';
import type { HoldfastError } from '../../src/errors.ts';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { asRole } from '../support/installed-database.ts';
import { numberAsBefore } from '../support/older-numbering.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { connect, openClient } from '../support/sql-client.ts';

const dataTables = ['backup_request', 'backup_event', 'backup_stage', 'backup_session', 'worker', 'cluster'];

test('installing again changes nothing that is there', async (t) => {
  const database = { ...(await freshDatabase(t)), cluster: await sharedCluster() };
  await installInto(database.url);
  const client = await connect(t, database.url);
  const worker = await playWorker(t, database);
  await requestIn('archiving', client, worker);
  const content = async () => {
    const rows = [];
    for (const table of dataTables)
      rows.push(await client.query(`select * from holdfast.${table} order by 1`));
    return rows;
  };
  const before = await content();

  const again = await Connection.open({ url: database.url });
  t.teardown(() => again.close());
  t.deepEqual(await install(again, 'holdfast'), {
    before: schemaVersion(),
    after: schemaVersion(),
    applied: [],
    chores: database.cluster.version >= 13 ? 'holdfast_boss' : null,
  });

  t.deepEqual(await content(), before);
});

test('several installations of one schema at a time all succeed, and it is there once', async (t) => {
  const { url } = await freshDatabase(t);
  await t.notThrowsAsync(Promise.all(Array.from({ length: 4 }, () => installInto(url))));

  const client = await connect(t, url);
  t.deepEqual(
    await client.query('select number from holdfast.migration order by number'),
    migrations().map(({ number }) => ({ number })),
  );
});

test('several databases of one server can be installed into at a time, although roles are common to all', async (t) => {
  const schema = `everywhere_${randomBytes(4).toString('hex')}`;
  const databases = await Promise.all(Array.from({ length: 4 }, () => freshDatabase(t)));
  await t.notThrowsAsync(Promise.all(databases.map(({ url }) => installInto(url, schema))));
});

test('a schema that is newer than the program is refused and left alone', async (t) => {
  const { url } = await freshDatabase(t);
  await installInto(url);
  const client = await connect(t, url);
  await client.query(`insert into holdfast.migration values (99, 'from-the-future')`);
  await client.query('drop view holdfast.worker_status');

  await t.throwsAsync(installInto(url), { code: 'schema_too_new', message: /version 99, newer than/ });
  t.is(await client.value(`select to_regclass('holdfast.worker_status')`), null);
});

test('a schema that was made by migrations which were never released is refused by name and left alone', async (t) => {
  const { url } = await freshDatabase(t);
  await installInto(url);
  const client = await connect(t, url);
  await numberAsBefore(client);
  await client.query('drop view holdfast.worker_status');
  const refusal = {
    code: 'schema_unreleased',
    message:
      'schema "holdfast" was made by migrations that were never released: number 1 is "schema-and-roles", and not "roles"',
  };

  const refused = await t.throwsAsync<HoldfastError>(installInto(url), refusal);
  t.regex(refused?.hint ?? '', /^install into another schema with --schema, or drop this one/);
  t.is(await client.value(`select to_regclass('holdfast.worker_status')`), null);
  const db = await Connection.open({ url, schema: 'holdfast' });
  t.teardown(() => db.close());
  await t.throwsAsync(requireSchema(db, 'holdfast'), refusal, 'every command and every worker asks for it');

  await t.notThrowsAsync(installInto(url, 'another_one'), 'the first thing that the hint says');
  t.teardown(() => dropInstallation(url, 'another_one'));
  await client.query((refused?.hint ?? '').replace(/^.*: /, ''));
  await t.notThrowsAsync(installInto(url), 'the other one');
});

test('an installation that fails leaves nothing behind', async (t) => {
  const { url } = await freshDatabase(t);
  const client = await connect(t, url);
  await client.query('create schema holdfast; create table holdfast.backup_stage ()');

  await t.throwsAsync(installInto(url), { message: /"backup_stage" already exists/ });
  t.deepEqual(
    await client.query(`select relname from pg_class where relnamespace = 'holdfast'::regnamespace`),
    [{ relname: 'backup_stage' }],
  );
});

test('a schema that somebody else has made ready is refused: he could change everything in it', async (t) => {
  const database = { ...(await freshDatabase(t)), cluster: await sharedCluster() };
  const squatter = await asRole(t, database);
  const admin = await connect(t, database.url);
  await admin.query(`create schema holdfast authorization ${squatter.role}`);
  const message = `schema "holdfast" belongs to role "${squatter.role}", not to "${await admin.value<string>('select current_user')}"`;
  await t.throwsAsync(installInto(database.url), { code: 'insufficient_privilege', message });

  await admin.query('alter schema holdfast owner to current_user');
  await t.notThrowsAsync(installInto(database.url), 'a schema of one’s own may be there before');
});

test('a role with CREATEROLE that may create a schema can install, and its installation works', async (t) => {
  const database = { ...(await freshDatabase(t)), cluster: await sharedCluster() };
  const owner = await asRole(t, database);
  const admin = await connect(t, database.url);
  await admin.query(`alter role ${owner.role} createrole`);
  await admin.query(`grant create on database ${database.name} to ${owner.role}`);
  t.teardown(() => dropInstallation(database.url, `by ${owner.role}`));

  await installInto(owner.url, `by ${owner.role}`);

  const insert = `insert into "by ${owner.role}".backup_request default values returning requested_by`;
  t.is(await owner.value(insert), owner.role);
  const another = await asRole(t, database);
  await t.throwsAsync(another.query(insert), { code: '42501' });
  await owner.query(`grant "by ${owner.role}_requester" to ${another.role}`);
  t.is(await another.value(insert), another.role);
});

test('session settings of the installing role do not matter', async (t) => {
  const { url, name } = await freshDatabase(t);
  const client = await connect(t, url);
  // From 19 on there are no other literals.
  if ((await sharedCluster()).version < 19)
    await client.query(`alter database ${name} set standard_conforming_strings = off`);
  await client.query(`alter database ${name} set search_path = nowhere`);
  await client.query(`alter database ${name} set quote_all_identifiers = on`);
  await client.query(`alter database ${name} set default_transaction_read_only = off`);
  await installInto(url);

  const session = await connect(t, url);
  await t.notThrowsAsync(session.query('insert into holdfast.backup_request default values'));
  const forged = session.query(`insert into holdfast.backup_request (label) values (E'a\nb')`);
  await t.throwsAsync(forged, { code: '23514' });
});

test('an installation that waited for another one sees what that has done, at any default isolation', async (t) => {
  const { url, name } = await freshDatabase(t);
  const first = await connect(t, url);
  await first.query(`alter database ${name} set default_transaction_isolation = 'serializable'`);
  await first.query('begin; create schema holdfast');
  const both = Promise.all([installInto(url), installInto(url)]);
  await eventuallyRow(
    first,
    `select from pg_locks where locktype = 'transactionid' and not granted
       and transactionid::text = txid_current()::text having count(*) = 2`,
  );
  await first.query('rollback');
  await t.notThrowsAsync(both);
});

test('nobody who may only connect holds up an installation, whatever advisory locks he takes', async (t) => {
  const { url } = await freshDatabase(t);
  const client = await connect(t, url);
  const keys = [
    `hashtextextended('holdfast install holdfast', 0)`,
    `hashtextextended('holdfast install boss holdfast', 0)`,
  ];
  for (const key of keys) await client.query(`select pg_advisory_lock(${key})`);
  await installInto(url);
  t.is(await client.value('select max(number) from holdfast.migration'), schemaVersion());

  await client.query('begin; select from holdfast.worker_status');
  const refused = await t.throwsAsync(installInto(url), { message: /^schema "holdfast" is held up: / });
  t.regex(refused?.message ?? '', new RegExp(`backend ${client.pid} of role "`));
  t.like(refused, { code: 'install_held_up' });
});

async function dropInstallation(url: string, schema: string): Promise<void> {
  const client = await openClient(url);
  const roles = ['reader', 'requester', 'operator', 'worker'].map((name) => `"${schema}_${name}"`);
  const schemas = `"${schema}", "${schema}_boss"`;
  await client.query(`drop schema if exists ${schemas} cascade; drop role ${roles.join(', ')}`);
  await client.close();
}
