import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { pathOf, read } from './pages.ts';

const inSources = /(?:\bcode: |\b(?:refuse|problem)\(\s*|error_code :?= )'([a-z_]+)'/g;

test('every error code of a request is documented, and no other', (t) => {
  const documented = firstColumn(section('docs/sql-api.md', 'Error codes of a request'));
  // They fail no request, but the worker, and chores.
  const others = ['schema_changed', 'chores_unavailable'];
  const raised = found(textOf('src/backup', 'src/worker', 'sql'), inSources).filter(
    (code) => !others.includes(code),
  );
  t.deepEqual(
    raised.filter((code) => !documented.includes(code)),
    [],
  );
  const known = found(textOf('src', 'sql'), inSources);
  t.deepEqual(
    documented.filter((code) => !known.includes(code)),
    [],
  );
});

test('every error code of the program is documented', (t) => {
  const documented = firstColumn(section('docs/operations.md', 'Messages of the program'));
  const known = found(textOf('src'), inSources);
  const ofRequests = firstColumn(section('docs/sql-api.md', 'Error codes of a request'));
  // A failure without a word of its own.
  const unnamed = ['failed', 'usage', 'timeout', 'server_error'];
  t.deepEqual(
    known.filter((code) => ![...documented, ...ofRequests, ...unnamed].includes(code)),
    [],
  );
  t.deepEqual(
    documented.filter((code) => !known.includes(code)),
    [],
  );
});

test('every SQLSTATE of our own is documented, and no other', (t) => {
  const documented = firstColumn(section('docs/sql-api.md', 'SQLSTATEs')).filter((code) =>
    code.startsWith('HF'),
  );
  t.deepEqual(documented, found(textOf('sql'), /'(HF\d{3})'/g));
});

test('every channel is documented', (t) => {
  const suffixes = found(textOf('sql/functions'), /tg_table_schema \|\| '(_\w+)',/g);
  t.true(suffixes.length > 0);
  for (const suffix of suffixes) t.true(read('docs/sql-api.md').includes(`\`holdfast${suffix}\``), suffix);
});

test('every command is in the table of docs/cli.md, and no other', (t) => {
  const commands = found(textOf('src/cli'), /\.command\('([a-z ]+)'/g);
  t.deepEqual(firstColumn(section('docs/cli.md', 'Commands')), commands);
});

function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, code = '']) => code))].sort();
}

/** Every word in code type in the first column of the section's tables, without what follows a space. */
function firstColumn(text: string): string[] {
  const cells = [...text.matchAll(/^\|([^|]*)\|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, word = '']) => word)).sort();
}

function section(page: string, title: string): string {
  const [, text] = new RegExp(`^## ${title}\\n([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, 'm').exec(read(page)) ?? [];
  if (text === undefined) throw new Error(`${page} has no section "${title}"`);
  return text;
}

function textOf(...directories: string[]): string {
  return directories
    .map(pathOf)
    .flatMap((directory) =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(ts|sql)$/.test(name))
        .map((name) => readFileSync(join(directory, name), 'utf8')),
    )
    .join('\n');
}
