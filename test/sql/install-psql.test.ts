// Plain psql installs the very same schema as the program.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { describeSchema } from '../../dev/schema/describe.ts';
import { migrations, schemaVersion } from '../../src/control/schema-version.ts';
import { freshDatabase } from '../support/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { numberAsBefore } from '../support/older-numbering.ts';
import { noPsql, psql } from '../support/psql.ts';
import { connect, withClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const psqlTest = testWhen(noPsql);
const root = new URL('../../', import.meta.url);
const script = new URL('sql/install.sql', root).pathname;
const text = readFileSync(script, 'utf8');

psqlTest('psql and the program install the very same schema', async (t) => {
  const [byProgram, byPsql] = [await freshDatabase(t), await freshDatabase(t)];
  await installInto(byProgram.url);
  t.is((await psql(byPsql.url, ['-v', 'schema=holdfast', '-f', script])).stderr, '');

  const [ours, theirs] = [await described(byProgram.url), await described(byPsql.url)];
  t.true(ours.length > 500);
  t.deepEqual(theirs, ours);
});

psqlTest('psql and the program make the same roles', async (t) => {
  const { url } = await freshDatabase(t);
  const [ours, theirs] = [schemaName(), schemaName()];
  await installInto(url, ours);
  await psql(url, ['-v', `schema=${theirs}`, '-f', script]);

  const client = await connect(t, url);
  const roles = (schema: string) =>
    client.query(
      `select replace(rolname, $1, '') as name, rolcanlogin, rolsuper, rolinherit, rolcreaterole,
         shobj_description(r.oid, 'pg_authid') as comment,
         array(select replace(roleid::regrole::text, $1, '') from pg_auth_members where member = r.oid) as is_a
       from pg_roles r where rolname like $1 || '\\_%' order by 1`,
      [schema],
    );
  t.is((await roles(ours)).length, 4);
  t.deepEqual(await roles(theirs), await roles(ours));
});

test('sql/install.sql names every migration, function and view, and records every migration', (t) => {
  const included = [...text.matchAll(/^\s*\\ir (.*)$/gm)].map(([, file]) => file ?? '');
  const files = (directory: string, prefix: string) =>
    readdirSync(new URL(directory, root)).map((name) => `${prefix}${name}`);
  t.deepEqual(included, [
    ...files('migrations/', '../migrations/'),
    ...files('sql/functions/', 'functions/'),
    ...files('sql/views/', 'views/'),
  ]);

  const known = migrations().map(({ number, name }) => ({ number, name }));
  const named = (pattern: RegExp) =>
    [...text.matchAll(pattern)].map(([, number, name]) => ({ number: Number(number), name }));
  t.deepEqual(named(/ values \((\d+), '([^']+)'\);/g), known);
  t.deepEqual(named(/(?<! values )\((\d+), '([^']+)'\)/g), known, 'those that it compares with');
  t.regex(text, new RegExp(`where :version > ${schemaVersion()}\n`));
});

psqlTest('psql refuses a schema that is newer than its files', async (t) => {
  const { url } = await freshDatabase(t);
  t.is((await psql(url, ['-f', script])).status, 0);
  const client = await connect(t, url);
  await client.query(`insert into holdfast.migration values (99, 'from-the-future')`);

  const { status, stderr } = await psql(url, ['-f', script]);
  t.is(status, 3);
  t.regex(stderr, /the schema is newer than these files/);
});

psqlTest('psql refuses a schema that was made by migrations which were never released', async (t) => {
  const { url } = await freshDatabase(t);
  t.is((await psql(url, ['-f', script])).status, 0);
  const client = await connect(t, url);
  await numberAsBefore(client);

  const { status, stderr } = await psql(url, ['-f', script]);
  t.is(status, 3);
  t.regex(
    stderr,
    /schema "holdfast" was made by migrations that were never released: number 1 is "schema-and-roles", and not "roles"/,
  );
  t.regex(stderr, /HINT:  Install into another schema with -v schema=NAME, or drop this one/);
  t.is(await client.value('select max(number) from holdfast.migration'), 21);
});

psqlTest('each installs over what the other installed', async (t) => {
  const { url } = await freshDatabase(t);
  await installInto(url);
  t.is((await psql(url, ['-f', script])).stderr, '');
  await t.notThrowsAsync(installInto(url));
});

async function described(url: string): Promise<string[]> {
  return (await withClient(url, (client) => describeSchema(client))).split('\n');
}

function schemaName(): string {
  return `by_${randomBytes(4).toString('hex')}`;
}
