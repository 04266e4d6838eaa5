// What a release with one migration more makes of an installation of this one.
import test from 'ava';
import { migrations, schemaVersion } from '../../src/control/schema-version.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { nextRelease } from '../support/next-release.ts';
import { noPsql, psql } from '../support/psql.ts';
import { request } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const current = schemaVersion();
/** A table whose trigger needs a function that only the migration can bring in time, and a view that is replaced. */
const next = {
  name: 'notes',
  migration: `create table :"schema".note (id bigint primary key references :"schema".backup_request (id));
\\ir ../sql/functions/guard_note.sql
create trigger guard_note before insert on :"schema".note for each row execute function :"schema".guard_note();`,
  files: {
    'sql/functions/guard_note.sql': `create or replace function :"schema".guard_note() returns trigger language plpgsql as
      $$ begin raise exception 'no notes'; end $$;`,
    'sql/functions/schedule_label.sql': `create or replace function :"schema".this_is_new() returns text language sql as $$ select 'new' $$;`,
  },
};
const upgrades: Record<
  string,
  (url: string, release: Awaited<ReturnType<typeof nextRelease>>) => Promise<unknown>
> = {
  'the program': (url, release) => release.install(url),
  psql: (url, release) => psql(url, ['-f', release.script]),
};

for (const [who, upgrade] of Object.entries(upgrades)) {
  testWhen(who === 'psql' ? noPsql : undefined)(
    `an upgrade by ${who} applies the pending migration once, replaces functions and leaves the rows`,
    async (t) => {
      const { url } = await installedDatabase(t);
      const client = await connect(t, url);
      const id = await request(client);
      const before = await content(client);
      const release = await nextRelease(t, next);
      await t.throwsAsync(release.requireSchema(url), { code: 'schema_too_old' });

      await upgrade(url, release);
      await upgrade(url, release);
      await t.notThrowsAsync(release.requireSchema(url));
      t.deepEqual(await content(client), before);
      t.deepEqual(await client.query('select number, name from holdfast.migration order by number'), [
        ...migrations().map(({ number, name }) => ({ number, name })),
        { number: release.number, name: 'notes' },
      ]);
      t.is(await client.value('select holdfast.this_is_new()'), 'new');
      await t.throwsAsync(client.query('insert into holdfast.note values ($1)', [id]), {
        message: 'no notes',
      });

      await t.throwsAsync(installInto(url), {
        code: 'schema_too_new',
        message: `schema "holdfast" has version ${release.number}, newer than this release's ${current}`,
      });
    },
  );
}

test('an installation says what it has applied', async (t) => {
  const { url } = await installedDatabase(t);
  const release = await nextRelease(t, next);
  t.deepEqual(await release.install(url), { before: current, after: release.number, applied: ['notes'] });
  t.deepEqual(await release.install(url), { before: release.number, after: release.number, applied: [] });
});

test('an upgrade that fails leaves the version, the tables and the functions of before', async (t) => {
  const { url } = await installedDatabase(t);
  const client = await connect(t, url);
  const release = await nextRelease(t, {
    ...next,
    files: { ...next.files, 'sql/views/worker_status.sql': 'select 1 / 0;' },
  });
  await t.throwsAsync(release.install(url), { message: /division by zero/ });
  t.is(await client.value('select max(number) from holdfast.migration'), current);
  t.is(await client.value(`select to_regclass('holdfast.note')`), null);
  t.is(await client.value(`select to_regproc('holdfast.this_is_new')`), null);
  await t.notThrowsAsync(installInto(url));
});

async function content(client: SqlClient): Promise<unknown[]> {
  const rows = [];
  for (const table of ['backup_request', 'backup_event', 'cluster', 'confirmed_origin', 'setting'])
    rows.push(await client.query(`select * from holdfast.${table} order by 1`));
  return rows;
}
