import test from 'ava';
import { parseAssertions, readAssertions } from '../../src/drill/assertions.ts';

test('each statement has its name, and runs in the database that it names, else in postgres', (t) => {
  const text = `-- What has to hold in the shop.

-- name: the newest order is at most a day old
-- database: shop
select max(at) > now() - interval '1 day' from orders;

-- name: nobody owes a negative amount
-- which would be our debt
select count(*) = 0
from debts
where amount < 0`;
  t.deepEqual(parseAssertions(text), [
    {
      name: 'the newest order is at most a day old',
      database: 'shop',
      sql: "-- database: shop\nselect max(at) > now() - interval '1 day' from orders",
    },
    {
      name: 'nobody owes a negative amount',
      database: 'postgres',
      sql: '-- which would be our debt\nselect count(*) = 0\nfrom debts\nwhere amount < 0',
    },
  ]);
  t.deepEqual(parseAssertions('-- nothing yet\n'), []);
});

for (const [text, message] of [
  ['select true', /what comes before the first name/],
  ['-- name: a\nselect true\n-- name: a\nselect false', /"a" is there twice/],
  ['-- name: a\n-- name: b\nselect true', /"a" has no statement/],
  ['-- name: a', /"a" has no statement/],
  ['-- name:  \nselect true', /a name is empty/],
  ['-- name: a\n-- database: \nselect true', /a name is empty/],
] as const) {
  test(`refused: ${JSON.stringify(text)}`, (t) => {
    t.throws(() => parseAssertions(text), { instanceOf: RangeError, message });
  });
}

test('a file that is not there is a mistake in the configuration', async (t) => {
  await t.throwsAsync(readAssertions('/nowhere/assertions.sql'), {
    code: 'bad_assertions',
    message: /"\/nowhere\/assertions.sql" cannot be used: ENOENT/,
  });
  t.deepEqual(await readAssertions(undefined), []);
});
