import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { parseScript, readScript } from '../../src/database/sql-script.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const variables = { schema: 'my "schema"', text: `it's \\ here` };

test('variables are quoted as psql quotes them', (t) => {
  t.deepEqual(parseScript(`create schema :"schema"; select :'text'::text;`, variables), [
    { sql: 'create schema "my ""schema"""', gexec: false },
    { sql: `select  E'it''s \\\\ here'::text`, gexec: false },
  ]);
});

test('nothing is replaced inside quotes, dollar quotes and comments', (t) => {
  const body = `select $$ :"schema" ; $x$ $$, ':"schema";', ":'text';" -- :"nothing";\n;`;
  t.deepEqual(parseScript(body, variables), [
    { sql: `select $$ :"schema" ; $x$ $$, ':"schema";', ":'text';"`, gexec: false },
  ]);
});

test('gexec belongs to the statement before it', (t) => {
  t.deepEqual(parseScript(`select 1;\nselect 'x'\n\\gexec\nselect 2;`, variables), [
    { sql: 'select 1', gexec: false },
    { sql: `select 'x'`, gexec: true },
    { sql: 'select 2', gexec: false },
  ]);
});

test('a variable that is not set is named', (t) => {
  t.throws(() => parseScript('select :"missing"', variables), { message: /"missing" is not set/ });
});

test('a file includes others by their path from its own directory, as psql does with \\ir', async (t) => {
  const directory = await temporaryDirectory(t);
  for (const name of ['a', 'b']) await mkdir(join(directory, name));
  await writeFile(join(directory, 'a/first.sql'), 'select 1;\n\\ir ../b/second.sql\nselect 4;\n');
  await writeFile(join(directory, 'b/second.sql'), 'select 2;\n\\ir third.sql\n');
  await writeFile(join(directory, 'b/third.sql'), "select '\\ir nothing.sql' -- $& $1\n;\n");
  const script = readScript(pathToFileURL(join(directory, 'a/first.sql')));
  t.deepEqual(
    parseScript(script, variables).map(({ sql }) => sql),
    ['select 1', 'select 2', `select '\\ir nothing.sql'`, 'select 4'],
  );
});
