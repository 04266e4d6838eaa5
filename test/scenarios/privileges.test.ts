// No superuser anywhere: what docs/privileges.md grants is enough, and what is missing is said with the remedy.
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { completeBackup, isConnected, startBackup, untilState } from '../support/backups.ts';
import { freshDatabase, noOwnCluster, ownCluster, sharedCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { asRole, installedDatabase, type InstalledDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { cancel, finish, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

/** The two functions by the version, as the privileges are documented. */
function backupFunctions(version: number): string {
  return version >= 15
    ? 'pg_backup_start(text, boolean), pg_backup_stop(boolean)'
    : 'pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean)';
}

async function minimalWorker(t: ExecutionContext, db: InstalledDatabase) {
  const login = await asRole(t, db, 'worker');
  const admin = await connect(t, db.url);
  await admin.query(`grant execute on function ${backupFunctions(db.cluster.version)} to ${login.role}`);
  await admin.query(`grant pg_monitor to ${login.role}`);
  return login;
}

test('with the documented privileges a requester drives a whole backup, and an operator and a reader look on', async (t) => {
  const db = await installedDatabase(t);
  const worker = await minimalWorker(t, db);
  await startWorkerProcess(t, { url: worker.url });
  const requester = await asRole(t, db, 'requester');
  const reader = await asRole(t, db, 'reader');
  const superusers = await requester.query('select from pg_roles where rolsuper and rolname in ($1, $2)', [
    worker.role,
    requester.role,
  ]);
  t.deepEqual(superusers, []);

  const [called] = await requester.query<{ id: string }>(
    `call holdfast.start_backup('called', fast => true)`,
  );
  const status = 'select session, worker is not null as held from holdfast.backup_status where id = $1';
  t.deepEqual(await reader.query(status, [called?.id]), [{ session: 'alive', held: true }]);
  const [stopped] = await requester.query<{ backup_label: string }>(`call holdfast.stop_backup('called')`);
  t.regex(String(stopped?.backup_label), /\nLABEL: called\n/);

  const { id } = await startBackup(requester, { label: 'inserted' });
  t.truthy((await completeBackup(requester, id)).archived_at);
  const { id: third } = await startBackup(requester, { label: 'not wanted' });
  await cancel(await asRole(t, db, 'operator'), third);
  t.is((await untilState(reader, third, 'cancelled')).state, 'cancelled');
});

testWhen(noOwnCluster)(
  'the documented privileges are enough to cancel a spread checkpoint, too',
  async (t) => {
    const cluster = await ownCluster(t, { installed: true });
    const db = await installedDatabase(t, cluster);
    const worker = await minimalWorker(t, db);
    await startWorkerProcess(t, { url: worker.url });
    const client = await connect(t, db.url);
    await client.query(
      `create table pages as select n, repeat('x', 500) as filler from generate_series(1, 20000) n`,
    );
    const id = await request(client);
    const { pid } = await untilState(client, id, 'starting');
    await cancel(client, id);
    await eventually('the session ends', async () => !(await isConnected(client, pid)), { within: 2000 });
    t.is((await untilState(client, id, 'cancelled')).start_lsn, null);
  },
);

test('a role without EXECUTE is refused with a hint that works when followed to the letter', async (t) => {
  const db = await installedDatabase(t);
  const admin = await connect(t, db.url);
  const role = `odd "role" ${randomBytes(3).toString('hex')}`;
  const quoted = `"${role.replaceAll('"', '""')}"`;
  await admin.query(`create role ${quoted} login`);
  t.teardown(() => admin.query(`drop owned by ${quoted} cascade; drop role ${quoted}`));
  const url = db.cluster.url({ database: db.name, user: role });
  await startWorkerProcess(t, { url: db.url, config: `[cluster.main]\nurl = "${url}"\n` });

  const refused = await untilState(admin, await request(admin), 'failed', { within: 5000 });
  t.is(refused.error_code, 'missing_privilege');
  t.true(refused.error?.includes(role));
  const statements = String(refused.hint).replace(/^as a superuser in that database: /, '');
  t.regex(statements, /^GRANT EXECUTE ON FUNCTION .*; GRANT pg_monitor TO /);
  for (const statement of statements.split('; ')) await admin.query(statement);
  await completeBackup(admin, (await startBackup(admin)).id);

  await admin.query(`revoke pg_monitor from ${quoted}`);
  const blind = await untilState(admin, await request(admin), 'failed', { within: 5000 });
  t.is(blind.error_code, 'missing_privilege');
  await admin.query(String(blind.hint).replace(/^as a superuser: /, ''));
  const { id } = await startBackup(admin);
  await finish(admin, id);
  t.truthy((await untilState(admin, id, 'complete')).archived_at);
});

test('a template database is refused, and no session of the worker stays in it', async (t) => {
  const db = await installedDatabase(t);
  const template = await freshDatabase(t);
  const admin = await connect(t, (await sharedCluster()).url());
  await admin.query(`alter database ${template.name} is_template true`);
  t.teardown(() => admin.query(`alter database ${template.name} is_template false`));
  await startWorkerProcess(t, { url: db.url, config: `[cluster.main]\nurl = "${template.url}"\n` });
  const client = await connect(t, db.url);
  const refused = await untilState(client, await request(client), 'failed', { within: 5000 });
  t.is(refused.error_code, 'template_database');
  t.true(refused.error?.includes(template.name));

  const copy = `${template.name}_copy`;
  await admin.query(`create database ${copy} template ${template.name}`);
  await admin.query(`drop database ${copy}`);
});
