// The text of one LSN differs from server to server: "0/3000028" up to PostgreSQL 18, "0/03000028" from 19 on.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));

function filesBelow(directory: string, ending: string): string[] {
  const names = readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(directory, name));
}

function lines(files: readonly string[], found: RegExp, allowed: RegExp): string[] {
  return files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => found.test(line) && !allowed.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
}

test('no two texts of LSNs are compared as texts', (t) => {
  const files = filesBelow('src', '.ts');
  t.true(files.some((file) => readFileSync(join(root, file), 'utf8').includes('isSameLsn(')));
  const compared = /[lL]sn(Text)?\b\)? (===|!==) |(===|!==) [\w.]*[lL]sn\b/;
  t.deepEqual(lines(files, compared, /(===|!==) (null|undefined|')|parseLsn\(|normalLsn\(|'lsn'/), []);
});

test('no statement compares or sorts LSNs as texts', (t) => {
  const files = [...filesBelow('sql', '.sql'), ...filesBelow('migrations', '.sql')];
  t.true(files.length > 50);
  t.deepEqual(lines(files, /lsn::text\s*(=|<|>|<>|!=|is (not )?distinct)|order by \S*lsn::text/i, /^$/), []);
});
