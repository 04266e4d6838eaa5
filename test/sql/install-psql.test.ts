// Plain psql installs the very same schema as the program.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { migrations, schemaVersion } from '../../src/control/schema-version.ts';
import { freshDatabase } from '../support/cluster.ts';
import { installInto } from '../support/install-into.ts';
import { noPsql, psql } from '../support/psql.ts';
import { connect, openClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const psqlTest = testWhen(noPsql);
const root = new URL('../../', import.meta.url);
const script = new URL('sql/install.sql', root).pathname;
const text = readFileSync(script, 'utf8');

/** Whatever the catalog knows of the schema, in words. */
const catalog = {
  columns: `
    select c.relname, c.relkind, c.relrowsecurity, c.reloptions, a.attname, a.attnum, a.attnotnull, a.attidentity,
      format_type(a.atttypid, a.atttypmod) as type, pg_get_expr(d.adbin, d.adrelid) as default, a.attacl::text
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'v')`,
  constraints: `
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid) as definition
    from pg_constraint where connamespace = $1::regnamespace and contype <> 'n'`,
  indexes: `select indexname, indexdef from pg_indexes where schemaname::regnamespace = $1::regnamespace`,
  triggers: `
    select tgname, pg_get_triggerdef(t.oid) as definition, tgenabled
    from pg_trigger t join pg_class c on c.oid = tgrelid
    where c.relnamespace = $1::regnamespace and not tgisinternal`,
  policies: `
    select tablename, policyname, permissive, roles::text, cmd, qual, with_check
    from pg_policies where schemaname::regnamespace = $1::regnamespace`,
  functions: `
    select oid::regprocedure::text, pg_get_functiondef(oid) as definition
    from pg_proc where pronamespace = $1::regnamespace`,
  views: `
    select relname, pg_get_viewdef(oid) as definition
    from pg_class where relnamespace = $1::regnamespace and relkind = 'v'`,
  grants: `
    select relname as name, relacl::text as acl from pg_class where relnamespace = $1::regnamespace
    union all select oid::regprocedure::text, proacl::text from pg_proc where pronamespace = $1::regnamespace
    union all select nspname, nspacl::text from pg_namespace where oid = $1::regnamespace`,
  comments: `
    select pg_describe_object(classoid, objoid, objsubid) as object, description
    from pg_description
    where (classoid = 'pg_class'::regclass and objoid in (select oid from pg_class where relnamespace = $1::regnamespace))
      or (classoid = 'pg_proc'::regclass and objoid in (select oid from pg_proc where pronamespace = $1::regnamespace))
      or (classoid = 'pg_namespace'::regclass and objoid = $1::regnamespace)`,
  migrations: `select number, name from holdfast.migration where $1::regnamespace is not null`,
  content: `
    select to_jsonb(s)::text from holdfast.setting s where $1::regnamespace is not null
    union all select to_jsonb(s)::text from holdfast.state_transition s`,
};

psqlTest('psql and the program install the very same schema', async (t) => {
  const [byProgram, byPsql] = [await freshDatabase(t), await freshDatabase(t)];
  await installInto(byProgram.url);
  t.is((await psql(byPsql.url, ['-v', 'schema=holdfast', '-f', script])).stderr, '');

  for (const [what, query] of Object.entries(catalog)) {
    const ours = await rows(byProgram.url, query);
    t.true(ours.length > 0, what);
    t.deepEqual(await rows(byPsql.url, query), ours, what);
  }
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

  const recorded = [...text.matchAll(/values \((\d+), '([^']+)'\);/g)];
  t.deepEqual(
    recorded.map(([, number, name]) => ({ number: Number(number), name })),
    migrations().map(({ number, name }) => ({ number, name })),
  );
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

psqlTest('each installs over what the other installed', async (t) => {
  const { url } = await freshDatabase(t);
  await installInto(url);
  t.is((await psql(url, ['-f', script])).stderr, '');
  await t.notThrowsAsync(installInto(url));
});

async function rows(url: string, query: string): Promise<unknown[]> {
  const client = await openClient(url);
  try {
    await client.query('set search_path = pg_catalog');
    const found = await client.query(query, ['holdfast']);
    return found.map((row) => JSON.stringify(row)).sort();
  } finally {
    await client.close();
  }
}

function schemaName(): string {
  return `by_${randomBytes(4).toString('hex')}`;
}
