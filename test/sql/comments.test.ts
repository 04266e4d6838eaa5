// \d+ is the manual: everything that an installation makes says what it is for.
import test from 'ava';
import { installedDatabase } from '../support/installed-database.ts';
import { connect } from '../support/sql-client.ts';

const objects = {
  tables: `select oid::regclass::text, obj_description(oid) as comment from pg_class
    where relnamespace = 'holdfast'::regnamespace and relkind = 'r'`,
  views: `select oid::regclass::text, obj_description(oid) as comment from pg_class
    where relnamespace = 'holdfast'::regnamespace and relkind = 'v'`,
  columns: `select c.oid::regclass || '.' || attname, col_description(c.oid, attnum) as comment
    from pg_class c join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped
    where relnamespace = 'holdfast'::regnamespace and relkind in ('r', 'v')`,
  functions: `select oid::regprocedure::text, obj_description(oid) as comment from pg_proc
    where pronamespace = 'holdfast'::regnamespace and prokind = 'f'`,
  procedures: `select oid::regprocedure::text, obj_description(oid) as comment from pg_proc
    where pronamespace = 'holdfast'::regnamespace and prokind = 'p'`,
  roles: `select rolname, shobj_description(oid, 'pg_authid') as comment from pg_roles
    where rolname ~ '^holdfast_(reader|requester|operator|worker)$'`,
  schemas: `select 'holdfast', obj_description('holdfast'::regnamespace) as comment`,
};

test('every table, view, column, function, procedure and role has a comment', async (t) => {
  const { url } = await installedDatabase(t);
  const client = await connect(t, url);
  for (const [kind, query] of Object.entries(objects)) {
    const found = await client.query<{ comment: string | null }>(query);
    t.true(found.length > 0, `there are ${kind}`);
    t.deepEqual(
      found.filter(({ comment }) => (comment ?? '').length < 5),
      [],
      kind,
    );
  }
});

test('the roles and procedures have the names that people type', async (t) => {
  const { url } = await installedDatabase(t);
  const client = await connect(t, url);
  t.is((await client.query(objects.roles)).length, 4);
  const procedures = (await client.query(objects.procedures)).map((row) => String(row['oid']).split('(')[0]);
  for (const name of ['start_backup', 'stop_backup', 'cancel_backup', 'wait_for_backup']) {
    t.true(procedures.includes(`holdfast.${name}`), name);
  }
});
