// A schema whose name needs quoting everywhere, from the roles to the queue of chores: a real worker, with the rights
// of its role and no more, serves it like any other.
import type { ExecutionContext } from 'ava';
import { noChores } from '../support/chores.ts';
import { freshDatabase, noServerFiles, ownCluster, type TestCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { grantBackups } from '../support/scene.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

const schema = `Back "up" '%s`;
const s = quoted(schema);

test('a backup with method hold runs from INSERT to its label, and says so to listeners', async (t) => {
  const { client, env, url } = await setup(t);
  await client.query(`listen ${quoted(`${schema}_state`)}`);
  const id = await client.value<string>(
    `insert into ${s}.backup_request (label, fast) values ('held', true) returning id`,
  );
  const toRunning = (payload: string) => payload.includes('"running"');
  t.is((JSON.parse((await client.notification(toRunning)).payload) as { id: number }).id, Number(id));
  t.is(await client.value(`select session from ${s}.backup_status`), 'alive');
  await client.query(`update ${s}.backup_request set state = 'done' where id = $1`, [id]);
  const { backup_label } = await complete(client, id);
  t.regex(backup_label, /\nLABEL: held\n/);

  const [begun] = await client.query<{ id: string }>(`call ${s}.start_backup('called', fast => true)`);
  const [ended] = await client.query<{ backup_label: string }>(`call ${s}.stop_backup(id => $1)`, [
    begun?.id,
  ]);
  t.regex(String(ended?.backup_label), /\nLABEL: called\n/);
  t.is((await holdfast(['start', 'by-name', '--fast'], { url, env })).status, 0);
  t.is((await holdfast(['stop', 'by-name'], { url, env })).status, 0);
});

test('a copy is made, and the program finds it there', async (t) => {
  const { client, env, url } = await setup(t);
  const id = await client.value<string>(
    `insert into ${s}.backup_request (method, fast) values ('copy', true) returning id`,
  );
  t.regex((await complete(client, id)).backup_label, /^START WAL LOCATION: /);
  const status = await holdfast(['status', '--json'], { url, env });
  t.is(status.status, 0, status.stderr);
  const check = await holdfast(['check'], { url, env });
  t.is(check.status, 0, check.stdout + check.stderr);
});

testWhen(noServerFiles, noChores)('a schedule fires there, and its chore is done', async (t) => {
  const { url } = await setup(t);
  const admin = await connect(t, url);
  await admin.query(
    `insert into ${s}.backup_schedule (name, cron, kind, options) values ('often', '* * * * * *', 'expire', '{"dry_run": true}')`,
  );
  const done = await eventuallyRow<{ state: string; error: string | null }>(
    admin,
    `select state, error from ${s}.backup_chore where state in ('complete', 'failed')`,
  );
  t.is(done.state, 'complete', String(done.error));
});

/** The worker and a requester, each with the role of that schema. */
async function setup(t: ExecutionContext) {
  const cluster = await ownCluster(t);
  const { name, url } = await freshDatabase(t, cluster);
  await installInto(url, schema);
  const admin = await connect(t, url);
  await admin.query(`create role agent login in role ${quoted(`${schema}_worker`)}`);
  await admin.query(`create role requester login in role ${quoted(`${schema}_requester`)}`);
  await grantBackups(admin, 'agent', cluster.version);
  const env = { HOLDFAST_SCHEMA: schema };
  await startWorkerProcess(t, { url: login(cluster, name, 'agent'), env });
  return { url, env, client: await connect(t, login(cluster, name, 'requester')) };
}

function login(cluster: TestCluster, database: string, user: string): string {
  return cluster.url({ database, user });
}

function complete(client: SqlClient, id: string) {
  return eventuallyRow<{ backup_label: string }>(
    client,
    `select backup_label from ${s}.backup_request where id = $1 and state = 'complete'`,
    [id],
    { within: 60_000 },
  );
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
