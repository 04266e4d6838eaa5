// Two validators, one in SQL and node-cron's, held to one corpus and to each other.
import test from 'ava';
import { isCron, parseCron } from '../../src/schedules/cron.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { bad, good, misleading } from './corpus.ts';
import { random } from './random.ts';

async function problems(client: SqlClient, expressions: string[]): Promise<(string | null)[]> {
  const rows = await client.query<{ problem: string | null }>(
    `select holdfast.cron_problem(expression) as problem
     from unnest($1::text[]) with ordinality e (expression, place) order by place`,
    [expressions],
  );
  return rows.map(({ problem }) => problem);
}

test('both accept what is good', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  t.deepEqual(
    await problems(client, good),
    good.map(() => null),
  );
  t.deepEqual(
    good.filter((expression) => !isCron(expression)),
    [],
  );
});

test('both refuse what is bad, and the one in SQL says what is wrong', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const said = await problems(
    client,
    bad.map(([expression]) => expression),
  );
  bad.forEach(([expression, wrong], at) => {
    t.regex(said[at] ?? '', wrong, expression);
    t.false(isCron(expression), expression);
  });
});

test('the one in SQL refuses what node-cron would misread', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const said = await problems(
    client,
    misleading.map(([expression]) => expression),
  );
  misleading.forEach(([expression, wrong], at) => {
    t.regex(said[at] ?? '', wrong, expression);
    t.true(isCron(expression), expression);
  });
});

test('of five thousand random expressions, the one in SQL lets none through that node-cron refuses or reads otherwise', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const { pick, upTo } = random(20_261_121);
  const number = () => String(pick([upTo(70), upTo(13), upTo(8), upTo(8)]));
  const word = () =>
    pick(['*', '?', 'L', '3W', 'L-4', 'mon', 'FEB', 'friL', '2#3', number(), number(), number()]);
  const token = () =>
    pick([
      word(),
      word(),
      `${number()}-${number()}`,
      `${word()}/${upTo(40)}`,
      `${word()}-${word()}/${upTo(9)}`,
      `${word()}${word()}`,
    ]);
  const field = () => pick(['*', '*', '*', token(), `${token()},${token()}`]);
  const expressions = Array.from({ length: 5000 }, () =>
    Array.from({ length: pick([5, 5, 5, 6]) }, field).join(' '),
  );
  const said = await problems(client, expressions);
  const accepted = expressions.filter((_, at) => said[at] === null);
  t.true(accepted.length > 200, `${accepted.length} accepted`);
  t.deepEqual(
    accepted.filter((expression) => !isCron(expression)),
    [],
  );

  const months = await client.query<{ values: number[] }>(
    `select array(select distinct v from unnest(holdfast.cron_field_values(field, 5)) v order by v) as values
     from unnest($1::text[]) with ordinality f (field, place) order by place`,
    [accepted.map((expression) => expression.toLowerCase().split(' ').at(-2))],
  );
  t.deepEqual(
    months.map(({ values }) => values),
    accepted.map((expression) => [...parseCron(expression).months].sort((a, b) => a - b)),
  );

  // The other way round, only what node-cron accepts by the way in which it reads: long steps, what stands beside an
  // asterisk or a name, ranges that wrap from or to where there is nothing, days that no month has.
  const lax =
    /\/(?:[89]|[1-9]\d)|\d\*|\*\d|[a-z]{3}\w*[a-z]{3}|\d[a-z]{3}|[a-z]{3}\d|(?:2[4-9]|[3-6]\d)-|-0|(?:3[01]|30|29|L-\d+|\d+W) .*(?:FEB|2|4|6|9|11)/i;
  const refused = expressions.filter((expression, at) => said[at] !== null && isCron(expression));
  t.deepEqual(
    refused.filter((expression) => !lax.test(expression)),
    [],
  );
});

test('a null and a very long expression are refused', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  t.is(await client.value('select holdfast.cron_problem(null)'), 'it has 1 to 200 bytes');
  t.is(
    await client.value(`select holdfast.cron_problem(repeat('1,', 200) || '1 * * * *')`),
    'it has 1 to 200 bytes',
  );
});
