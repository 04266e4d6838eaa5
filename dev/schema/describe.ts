// What the catalog knows of an installation, as text that does not depend on when, where and by whom it was made.
import type { SqlClient } from '../harness/sql-client.ts';

/** Sets the search_path of `client`. Constraints of NOT NULL are left out: only PostgreSQL 18 has them. */
export async function describeSchema(client: SqlClient, schema = 'holdfast'): Promise<string> {
  // So that names come out with their schema, as they are in nobody's path.
  await client.query('set search_path = pg_catalog');
  const parts: string[] = [];
  for (const [title, query] of Object.entries(catalog)) {
    const rows = await client.query<{ line: string }>(query, [schema]);
    parts.push(`# ${title}`, '', ...rows.map(({ line }) => line), '');
  }
  parts.push('# Rows', '', ...(await rowsOf(client, schema)), '');
  return parts.join('\n');
}

/** Of an ACL: who has which privileges, in the order of the alphabet, whatever the order of the GRANTs. */
const privileges = (acl: string, ownerOf: string) => `(
  select string_agg(grantee || '=' || held, ' ' order by grantee collate "C")
  from (
    select case a.grantee when 0 then 'PUBLIC' when ${ownerOf} then 'OWNER' else pg_get_userbyid(a.grantee) end as grantee,
      string_agg(a.privilege_type || case when a.is_grantable then '*' else '' end, ',' order by a.privilege_type) as held
    from aclexplode(${acl}) a group by a.grantee) g)`;
const comment = (text: string) => `coalesce(' -- ' || ${text}, '')`;
const inSchema = '$1::regnamespace';

const catalog: Record<string, string> = {
  Schema: `
    select format('%I: %s', nspname, ${privileges('nspacl', 'nspowner')}) || ${comment(`obj_description(oid, 'pg_namespace')`)} as line
    from pg_namespace where oid = ${inSchema}`,
  Roles: `
    select format('%I: login %s, superuser %s, inherit %s, createrole %s, createdb %s, is a {%s}', rolname, rolcanlogin,
      rolsuper, rolinherit, rolcreaterole, rolcreatedb,
      array_to_string(array(select roleid::regrole::text from pg_auth_members where member = r.oid order by roleid::regrole::text collate "C"), ', '))
      || ${comment(`shobj_description(oid, 'pg_authid')`)} as line
    from pg_roles r
    where rolname in ($1 || '_reader', $1 || '_requester', $1 || '_operator', $1 || '_worker') order by rolname`,
  'Tables and views': `
    select format('%s %s: persistence %s, row security %s, forced %s, options {%s}, owned by the owner of the schema %s; %s',
        case c.relkind when 'r' then 'table' when 'v' then 'view' else c.relkind::text end, c.oid::regclass, c.relpersistence,
        c.relrowsecurity, c.relforcerowsecurity, array_to_string(c.reloptions, ', '), c.relowner = n.nspowner,
        ${privileges('c.relacl', 'c.relowner')})
      || ${comment('obj_description(c.oid)')} as line
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.oid = ${inSchema} and c.relkind not in ('i', 'S') order by c.relkind, c.relname`,
  'Columns, in order': `
    select format('%s.%I %s%s%s%s%s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then ' not null' else '' end, ' default ' || pg_get_expr(d.adbin, d.adrelid),
        case a.attidentity when 'a' then ' identity always' when 'd' then ' identity by default' else '' end,
        '; ' || ${privileges('a.attacl', 'c.relowner')})
      || ${comment('col_description(c.oid, a.attnum)')} as line
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = ${inSchema} and c.relkind not in ('i', 'S') order by c.relkind, c.relname, a.attnum`,
  Constraints: `
    select format('%s %I: %s%s', conrelid::regclass, conname, pg_get_constraintdef(oid),
        case when convalidated then '' else ', not validated' end) || ${comment(`obj_description(oid, 'pg_constraint')`)} as line
    from pg_constraint where connamespace = ${inSchema} and contype <> 'n' order by conrelid::regclass::text collate "C", conname`,
  Indexes: `
    select pg_get_indexdef(c.oid) || ${comment('obj_description(c.oid)')} as line
    from pg_class c where c.relnamespace = ${inSchema} and c.relkind = 'i' order by c.relname`,
  Sequences: `
    select format('%s: %s, starts with %s, increment %s, from %s to %s, cache %s, cycle %s; %s; belongs to %s', c.oid::regclass,
        s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
        ${privileges('c.relacl', 'c.relowner')},
        (select string_agg(refobjid::regclass || '.' || attname, ', ') from pg_depend
         join pg_attribute on attrelid = refobjid and attnum = refobjsubid
         where classid = 'pg_class'::regclass and objid = c.oid and deptype = 'i')) as line
    from pg_class c join pg_sequence s on s.seqrelid = c.oid where c.relnamespace = ${inSchema} order by c.relname`,
  Triggers: `
    select pg_get_triggerdef(t.oid) || '; enabled ' || t.tgenabled::text || ${comment(`obj_description(t.oid, 'pg_trigger')`)} as line
    from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = ${inSchema} and not t.tgisinternal order by c.relname, t.tgname`,
  Policies: `
    select format('%s %I: %s, %s, to %s, using %s, with check %s', p.polrelid::regclass, p.polname,
        case when p.polpermissive then 'permissive' else 'restrictive' end, p.polcmd,
        array_to_string(array(select r::regrole::text from unnest(p.polroles) r order by r::regrole::text collate "C"), ', '),
        coalesce(pg_get_expr(p.polqual, p.polrelid), 'nothing'), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'nothing'))
      || ${comment(`obj_description(p.oid, 'pg_policy')`)} as line
    from pg_policy p join pg_class c on c.oid = p.polrelid
    where c.relnamespace = ${inSchema} order by c.relname, p.polname`,
  Functions: `
    select format('%s %I.%I(%s)%s: %s, volatility %s, strict %s, security definer %s, parallel %s, settings {%s}, source %s; %s',
        case p.prokind when 'p' then 'procedure' when 'f' then 'function' else p.prokind::text end, n.nspname, p.proname,
        pg_get_function_arguments(p.oid), ' returns ' || pg_get_function_result(p.oid), l.lanname, p.provolatile,
        p.proisstrict, p.prosecdef, p.proparallel, array_to_string(p.proconfig, ', '), md5(p.prosrc),
        ${privileges('p.proacl', 'p.proowner')})
      || ${comment('obj_description(p.oid)')} as line
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang
    where n.oid = ${inSchema} order by p.proname, p.oid::regprocedure::text collate "C"`,
  'Definitions of views': `
    select format(E'%s:\\n%s\\n', oid::regclass, pg_get_viewdef(oid, true)) as line
    from pg_class where relnamespace = ${inSchema} and relkind = 'v' order by relname`,
};

/** What says when, where and by whom a row was made. */
const ofThisInstallation = [
  'applied_at',
  'registered_at',
  'registered_by',
  'origin',
  'left_recovery_at',
  'confirmed_at',
  'confirmed_by',
  'confirmed_login',
];

async function rowsOf(client: SqlClient, schema: string): Promise<string[]> {
  const tables = await client.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class where relnamespace = ${inSchema} and relkind = 'r' order by relname`,
    [schema],
  );
  const lines: string[] = [];
  for (const { name } of tables) {
    const rows = await client.query<{ row: string }>(
      `select t.row from (select (to_jsonb(t) - $1::text[])::text as row from ${name} t) t order by t.row collate "C"`,
      [ofThisInstallation],
    );
    lines.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  return lines;
}
