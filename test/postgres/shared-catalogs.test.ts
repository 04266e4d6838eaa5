import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { databasesIn, sharedFile, superusersIn } from '../../src/postgres/shared-catalogs.ts';
import { noServerFiles, sharedCluster } from '../support/cluster.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

test('the superusers who may log in are read from the files, the first one first', async (t) => {
  const cluster = await sharedCluster();
  const client = await connect(t, cluster.url());
  const names = ['"boss of it all"', 'retired', 'ordinary'];
  t.teardown(async () =>
    client.query(names.map((name) => `drop role ${name}`).join('; ')).catch(() => undefined),
  );
  await client.query(`create role "boss of it all" superuser login; create role retired superuser nologin;
    create role ordinary login; checkpoint`);
  const global = join(String(cluster.dataDirectory), 'global');
  const file = sharedFile(await readFile(join(global, 'pg_filenode.map')), 'pg_authid');
  t.is(file, await client.value<string>(`select pg_relation_filenode('pg_authid')::text`));
  t.deepEqual(superusersIn(await readFile(join(global, file)), 8192), ['postgres', 'boss of it all']);
  await client.query(names.map((name) => `drop role ${name}`).join('; '));
});

test('the databases are read from the files', async (t) => {
  const cluster = await sharedCluster();
  const client = await connect(t, cluster.url());
  await client.query('checkpoint');
  const global = join(String(cluster.dataDirectory), 'global');
  const file = sharedFile(await readFile(join(global, 'pg_filenode.map')), 'pg_database');
  t.is(file, await client.value<string>(`select pg_relation_filenode('pg_database')::text`));
  const found = databasesIn(await readFile(join(global, file)), 8192);
  for (const name of ['postgres', 'template0', 'template1']) t.true(found.includes(name), name);
});

test('what is no such map is refused', (t) => {
  t.throws(() => sharedFile(Buffer.alloc(512), 'pg_authid'), { message: 'it is not a relation map' });
  const empty = Buffer.alloc(512);
  empty.writeInt32LE(0x592717, 0);
  t.throws(() => sharedFile(empty, 'pg_authid'), { message: 'it does not have pg_authid' });
});
