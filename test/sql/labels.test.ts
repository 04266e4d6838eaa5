// Labels: what a backup_label file can hold safely, and whose is whose.
import test from 'ava';
import { freshDatabase, sharedCluster } from '../support/cluster.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request, requestIn, backupStates } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

const accepted = {
  'one byte': 'x',
  '1000 bytes': 'x'.repeat(1000),
  '1000 bytes of three each, and one': `${'€'.repeat(333)}x`,
  quotes: `it's "quoted" $$`,
  backslashes: String.raw`\n \x0a \\ %s`,
  emoji: '🐘 nightly',
  spaces: '  ',
  'a name that looks like SQL': `'; drop table backup_request; --`,
};

const tooLong = { code: '23514', message: /a label has 1 to 1000 bytes, this one has/ };
const control = { code: '23514', message: /a label has no control characters/ };
const refused = {
  nothing: ['', tooLong],
  '1001 bytes': ['x'.repeat(1001), tooLong],
  '2000 bytes': ['x'.repeat(2000), tooLong],
  '1001 bytes in 335 characters': [`${'€'.repeat(333)}xx`, tooLong],
  'a newline': ['nightly\nSTART TIMELINE: 9', control],
  'a carriage return': ['nightly\r', control],
  'a tab': ['a\tb', control],
  'an escape': ['\u001b[2J', control],
  'the first control character': ['\u0001', control],
  'the last of ASCII': ['\u001f', control],
  delete: ['\u007f', control],
  'a control character beyond ASCII': ['\u0085', control],
  'a terminal’s escape beyond ASCII': ['\u009b2J', control],
} as const;

test('a label is anything that fits one line of backup_label', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  for (const [what, label] of Object.entries(accepted)) {
    const id = await request(requester, { label });
    t.is(await requester.value('select label from holdfast.backup_request where id = $1', [id]), label, what);
  }
});

test('a label that would not fit one line of backup_label is refused, with the reason', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  for (const [what, [label, reason]] of Object.entries(refused)) {
    await t.throwsAsync(request(requester, { label }), reason, what);
  }
});

test('without a label a request gets the UTC time and its id, in any time zone', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  await requester.query(`set timezone = 'Asia/Kathmandu'`);
  for (const values of [{}, { label: null }]) {
    const id = await request(requester, values);
    const label = await requester.value<string>('select label from holdfast.backup_request where id = $1', [
      id,
    ]);
    const [, year, month, day, hour, minute, second, suffix] =
      /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-(\d+)$/.exec(label) ?? [];
    t.is(suffix, id, label);
    const told = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    t.true(Math.abs(told - Date.now()) < 60_000, label);
  }
});

test('a label is one active request’s in a cluster, from requested to done, and free after that', async (t) => {
  const db = await installedDatabase(t);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db);
  for (const state of backupStates) {
    await requestIn(state, requester, worker, { label: state });
    const again = request(requester, { label: state });
    if (['requested', 'starting', 'running', 'done'].includes(state)) {
      await t.throwsAsync(again, { code: '23505', message: /one_active_request_per_label/ }, state);
    } else {
      await t.notThrowsAsync(again, state);
    }
  }
});

test('another cluster may use the same label at the same time', async (t) => {
  const db = await installedDatabase(t);
  const owner = await connect(t, db.url);
  await owner.query(`insert into holdfast.cluster (name) values ('second')`);
  await request(owner, { label: 'nightly' });
  await t.notThrowsAsync(request(owner, { label: 'nightly', cluster: 'second' }));
});

test('a label that somebody else’s backup has is refused with his name', async (t) => {
  const db = await installedDatabase(t);
  const [one, another] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  const id = await request(one, { label: 'nightly' });
  await t.throwsAsync(request(another, { label: 'nightly' }), {
    code: '23505',
    message: `label "nightly" of cluster "main" is in use by backup request ${id} of role "${one.role}"`,
  });
});

test('ON CONFLICT makes a retried pre-script harmless', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  const retry = `insert into holdfast.backup_request (label) values ('nightly')
    on conflict (cluster, label) where state in ('requested', 'starting', 'running', 'done') do nothing returning id`;
  t.is((await requester.query(retry)).length, 1);
  t.is((await requester.query(retry)).length, 0);
  t.is(
    (
      await requester.query(
        'insert into holdfast.backup_request default values on conflict do nothing returning id',
      )
    ).length,
    1,
  );
});

test('in a SQL_ASCII database a label and annotations are valid UTF-8 all the same', async (t) => {
  const cluster = await sharedCluster();
  const { url } = await freshDatabase(t, cluster, { encoding: 'SQL_ASCII', locale: 'C' });
  await installInto(url);
  const client = await connect(t, url);
  const insert = (column: string, value: string) =>
    client.query(`insert into holdfast.backup_request (${column}) values (${value})`);

  await t.notThrowsAsync(request(client, { label: '🐘 nightly', annotations: '"🐘"' }));
  await client.query('set client_encoding = sql_ascii');
  await t.throwsAsync(insert('label', `E'night\\xff'`), {
    code: '23514',
    message: 'the label is not valid UTF-8',
  });
  await t.throwsAsync(insert('annotations', `E'"\\xff"'`), { code: '22021' });
  await t.throwsAsync(insert('label', `E'a\\nb'`), { code: '23514' });
  t.is(await client.value('select count(*)::int from holdfast.backup_request'), 1);
});
