import test from 'ava';
import { regenerate } from '../../dev/docs/generate.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { pages, pathOf, read } from './pages.ts';

const version = Number(process.env['TEST_PG_VERSION'] ?? usual);
const otherVersion = version === usual ? undefined : `PostgreSQL ${version} words its catalogs differently`;

testWhen(otherVersion)('what the pages repeat is what the database and the program say', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  for (const page of pages) {
    const made = await regenerate(read(page), pathOf(page), client);
    t.is(made, read(page), `${page} is out of date: run node dev/docs.ts`);
  }
});

test('every table and view has its columns in docs/sql-tables.md or docs/sql-views.md', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const relations = await client.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = 'holdfast'::regnamespace and relkind in ('r', 'v', 'p', 'm') order by 1`,
  );
  for (const { name } of relations)
    t.true(
      `${read('docs/sql-tables.md')}${read('docs/sql-views.md')}`.includes(
        `<!-- generated: columns ${name} -->`,
      ),
      name,
    );
});
