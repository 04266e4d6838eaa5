// Any name of 1 to 40 bytes is a schema's name: nothing in the SQL knows that it is usually holdfast.
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { noPsql, psql } from '../support/psql.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const psqlTest = testWhen(noPsql);
const script = new URL('../../sql/install.sql', import.meta.url).pathname;
const random = randomBytes(2).toString('hex');

const names = {
  'upper case': `Backups_${random}`,
  'a space and a dot': `of the. ${random}`,
  'double quotes': `"say" "${random}"`,
  'single quotes': `it's 'one' ${random}`,
  backslashes: `c:\\new\\${random}`,
  'dollar signs': `$$ or $sql$ ${random}`,
  'a percent sign': `100%s ${random} %I`,
  'psql variables': `:schema :'schema' ${random}`,
  'a key word': 'table',
  '40 bytes': `${random}${'x'.repeat(36)}`,
  '40 bytes of emoji': `${random}${'🐘'.repeat(9)}`,
} as const;

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

for (const [kind, schema] of Object.entries(names)) {
  test(`a schema name with ${kind} works, installed by the program`, async (t) => {
    const { url } = await freshDatabase(t);
    await installInto(url, schema);
    await t.notThrowsAsync(installInto(url, schema), 'a second time');
    await drive(t, url, schema);
  });

  psqlTest(`a schema name with ${kind} works, installed by psql`, async (t) => {
    const { url } = await freshDatabase(t);
    for (const time of ['first', 'second']) {
      const { status, stderr } = await psql(url, ['-v', `schema=${schema}`, '-f', script]);
      t.is(status, 0, `${time} time: ${stderr}`);
    }
    await drive(t, url, schema);
  });
}

for (const [kind, schema] of Object.entries({
  '41 bytes': 'x'.repeat(41),
  '41 bytes in fewer characters': `x${'é'.repeat(20)}`,
  'no bytes': '',
})) {
  test(`a schema name of ${kind} is refused by the program`, async (t) => {
    const { url } = await freshDatabase(t);
    await t.throwsAsync(installInto(url, schema), { code: 'bad_schema_name' });
  });

  psqlTest(`a schema name of ${kind} is refused by psql`, async (t) => {
    const { url } = await freshDatabase(t);
    const { status, stderr } = await psql(url, ['-v', `schema=${schema}`, '-f', script]);
    t.is(status, 3);
    t.regex(stderr, /a schema name has 1 to 40 bytes/);
  });
}

psqlTest('a schema name that is a variable of search_path is refused', async (t) => {
  const { url } = await freshDatabase(t);
  const { status, stderr } = await psql(url, ['-v', 'schema=$user', '-f', script]);
  t.is(status, 3);
  t.regex(stderr, /a schema name .* is not "\$user"/);
});

test('two installations in one database do not see each other', async (t) => {
  const { url } = await freshDatabase(t);
  await installInto(url, 'holdfast');
  await installInto(url, 'Holdfast');
  const client = await connect(t, url);
  await client.query(`insert into "Holdfast".backup_request (label) values ('nightly')`);
  t.is(await client.value('select count(*)::int from holdfast.backup_request'), 0);
  t.is(await client.value('select count(*)::int from "Holdfast".backup_event'), 1);
  await t.notThrowsAsync(client.query(`insert into holdfast.backup_request (label) values ('nightly')`));
});

test('a database of another encoding than UTF-8 can be installed into', async (t) => {
  const { url } = await freshDatabase(t, await sharedCluster(), { encoding: 'LATIN1', locale: 'C' });
  await t.notThrowsAsync(installInto(url));
});

/** From INSERT to a wait that times out: triggers, functions, procedures, views and channels under that name. */
async function drive(t: ExecutionContext, url: string, schema: string): Promise<void> {
  const client = await connect(t, url);
  const s = quoted(schema);
  await client.query(`listen ${quoted(`${schema}_state`)}; listen ${quoted(`${schema}_request`)}`);

  const id = await client.value<string>(`insert into ${s}.backup_request (label) values ('x') returning id`);
  const heard = [await client.notification(), await client.notification()];
  t.deepEqual(heard.map(({ channel }) => channel).sort(), [`${schema}_request`, `${schema}_state`]);
  t.is(await client.value(`select session from ${s}.backup_status`), null);

  await t.throwsAsync(client.query(`call ${s}.start_backup(timeout => '0')`), { code: 'HF012' });
  await t.throwsAsync(client.query(`call ${s}.wait_for_backup(${id}, timeout => '0')`), { code: 'HF012' });
  t.is(await client.value(`call ${s}.cancel_backup(${id})`), id);
  await t.throwsAsync(client.query(`call ${s}.stop_backup('x')`), { code: 'P0002' });
  t.is(await client.value(`select ${s}.prune('0')::int`), 2);
}
