import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { bind, packageRoot, parseStatements } from '../../src/database/statements.ts';

const text = `-- name: first
select :a::int, ':b', :c -- :d
where x = :a

-- name: second
select 1 from :"schema".t
`;

test('placeholders become parameters, each once, and casts and strings are left alone', (t) => {
  const first = parseStatements(text).get('first');
  t.deepEqual(first?.placeholders, ['a', 'c']);
  t.regex(first?.text ?? '', /select \$1::int, ':b', \$2 -- :d\nwhere x = \$1$/);
});

test('values are checked against the placeholders', (t) => {
  const first = parseStatements(text).get('first');
  if (!first) return t.fail();
  t.deepEqual(bind(first, 's', { c: 2, a: 1 }).values, [1, 2]);
  t.throws(() => bind(first, 's', { a: 1 }), { message: /"first" needs :c/ });
  t.throws(() => bind(first, 's', { a: 1, c: 2, e: 3 }), { message: /no placeholder :e/ });
});

test('the schema is quoted', (t) => {
  const second = parseStatements(text).get('second');
  t.is(second && bind(second, 'a"b', {}).text, 'select 1 from "a""b".t');
});

test('every statement of the project is used by name somewhere in src', (t) => {
  const sources = readdirSync(new URL('src/', packageRoot), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(new URL(`src/${file}`, packageRoot), 'utf8'))
    .join('\n');
  for (const file of readdirSync(new URL('sql/queries/', packageRoot))) {
    for (const name of parseStatements(
      readFileSync(new URL(`sql/queries/${file}`, packageRoot), 'utf8'),
    ).keys()) {
      t.true(sources.includes(`'${name}'`), `${file}: ${name}`);
    }
  }
});
