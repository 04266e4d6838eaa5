// What the control database knows of chains: which copies a restore reads, what breaks a chain, and that no parent
// expires under a child.
import test, { type ExecutionContext } from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { backupChains, noteBroken, recordedBreaks } from '../../src/control/backup-chains.ts';
import { missingBackups } from '../../src/control/control-identity.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

const systemIdentifier = '7000000000000000001';

/** Complete copies, as somebody's worker made them. */
async function stage(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  const connection = await Connection.open({ url: db.url, schema: 'holdfast' });
  t.teardown(() => connection.close());
  let made = 1;
  /** From the copy with that id, if any. */
  const copy = async (
    parent: string | null = null,
    columns: Record<string, unknown> = {},
  ): Promise<string> => {
    made += 1;
    const row = {
      method: 'copy',
      incremental: parent !== null,
      parent,
      start_lsn: `0/${made}000028`,
      ...columns,
    };
    await superuser.query('begin');
    await superuser.query('set local session_replication_role = replica');
    const names = Object.keys(row);
    const id = await superuser.value<string>(
      `insert into holdfast.backup_request (${names.join(', ')}, label, state, requested_by, requested_login, requested_at,
         moved_by, control_origin, worker, pid, backend_start, started_at, start_wal, timeline, system_identifier,
         server_version, stopped_at, stop_lsn, stop_wal, backup_label, archived_at, finished_at, incremental_from)
       select ${names.map((_, at) => `$${at + 1}`).join(', ')}, 'copy', 'complete', 'somebody', 'somebody', now(),
         'somebody', 'here', 'played', 1, now(), now(), '000000010000000000000002', 1, ${systemIdentifier},
         '18.4', now(), '0/${made}000128', '000000010000000000000002', 'label', now(), now(),
         (select start_lsn from holdfast.backup_request where id = ${parent ?? 'null'})
       returning id`,
      Object.values(row),
    );
    await superuser.query('commit');
    return id;
  };
  const chains = async () => {
    const rows = await backupChains(connection);
    return Object.fromEntries(
      rows.map(({ id, chain, brokenLink, problem }) => [
        id,
        problem === null ? chain : `${brokenLink} ${problem}`,
      ]),
    );
  };
  return { db, superuser, connection, copy, chains };
}

/** Writes what only a worker or time would. */
async function set(superuser: SqlClient, id: string, columns: string): Promise<void> {
  await superuser.query('begin');
  await superuser.query('set local session_replication_role = replica');
  await superuser.query(`update holdfast.backup_request set ${columns} where id = $1`, [id]);
  await superuser.query('commit');
}

test('the chain of a copy leads from the full one to itself', async (t) => {
  const { copy, chains, superuser } = await stage(t);
  const full = await copy();
  const [first, other] = [await copy(full), await copy(full)];
  const second = await copy(first);
  t.deepEqual(await chains(), {
    [full]: [Number(full)],
    [first]: [full, first].map(Number),
    [other]: [full, other].map(Number),
    [second]: [full, first, second].map(Number),
  });
  t.deepEqual(await superuser.value('select holdfast.chain_of(0)'), null);
});

test('a parent under whose id another copy was made since is none', async (t) => {
  const { copy, chains, superuser } = await stage(t);
  const full = await copy();
  const child = await copy(full);
  await set(superuser, full, `start_lsn = '0/2000099'`);
  t.deepEqual(await chains(), { [full]: [Number(full)], [child]: `${full} has expired` });
});

test('copies that claim to be the parents of each other end every look at them', async (t) => {
  const { copy, superuser, chains } = await stage(t);
  const first = await copy();
  const second = await copy(first);
  await set(
    superuser,
    first,
    `incremental = true, parent = ${second}, incremental_from = (select start_lsn from holdfast.backup_request where id = ${second})`,
  );
  t.is(Object.keys(await chains()).length, 2);
});

test('a link that has expired, is missing or damaged breaks every chain behind it', async (t) => {
  const { copy, chains, superuser } = await stage(t);
  const full = await copy();
  const first = await copy(full);
  const second = await copy(first);
  const broken = async (problem: string) =>
    t.deepEqual(await chains(), {
      [full]: [Number(full)],
      [first]: [full, first].map(Number),
      [second]: `${first} ${problem}`,
    });
  const verify = (ok: boolean) =>
    superuser.query(
      `insert into holdfast.backup_verification (request_id, cluster, backup, started_at, finished_at, ok, problems, files, bytes, segments)
       values ($1, 'main', 'b', now(), now(), $2, $3, 0, 0, 0)`,
      [first, ok, ok ? [] : ['a frame is damaged']],
    );
  await verify(false);
  await broken('is damaged, as its last verification found');
  await verify(true);
  t.deepEqual((await chains())[second], [full, first, second].map(Number));
  await superuser.query(
    `insert into holdfast.damaged_page (request_id, file, block) values ($1, 'base/1/1', 7)`,
    [first],
  );
  await broken('had damaged pages when it was copied');
  await superuser.query(`insert into holdfast.missing_backup (request_id, cluster) values ($1, 'main')`, [
    first,
  ]);
  await broken('is not in the repository');
  await set(superuser, first, 'expired_at = now()');
  t.deepEqual(await chains(), { [full]: [Number(full)], [second]: `${first} has expired` });
});

test('a missing copy names those that are lost with it', async (t) => {
  const { copy, connection, superuser } = await stage(t);
  const full = await copy();
  const first = await copy(full);
  const second = await copy(first);
  await copy();
  await superuser.query(`insert into holdfast.missing_backup (request_id, cluster) values ($1, 'main')`, [
    first,
  ]);
  t.like(await missingBackups(connection), [{ id: Number(first), lost: [Number(second)] }]);
});

test('what a worker sees of broken chains is noted, changed and forgotten', async (t) => {
  const { copy, connection, chains } = await stage(t);
  const full = await copy();
  const child = await copy(full);
  const seen = { id: Number(child), systemIdentifier, startLsn: '0/3000028', link: Number(full) };
  const note = (problem: string) => noteBroken(connection, 'main', [{ ...seen, problem }]);
  await note('begins at 0/9000028 on timeline 1');
  t.deepEqual((await chains())[child], `${full} begins at 0/9000028 on timeline 1`);
  await note('cannot be used');
  t.deepEqual(await recordedBreaks(connection, 'main'), [
    { id: Number(child), link: Number(full), problem: 'cannot be used' },
  ]);
  await noteBroken(connection, 'main', [{ ...seen, startLsn: '0/9000028', problem: 'of another backup' }]);
  t.deepEqual(await recordedBreaks(connection, 'main'), [
    { id: Number(child), link: Number(full), problem: 'cannot be used' },
  ]);
  await noteBroken(connection, 'main', []);
  t.deepEqual((await chains())[child], [full, child].map(Number));
});

test('a worker makes nothing of a copy that expires, and nobody who keeps its row locked holds it up', async (t) => {
  const { db, copy, superuser } = await stage(t);
  const full = await copy();
  const operator = await asRole(t, db, 'operator');
  const worker = await playWorker(t, db);
  const id = await requestIn('running', operator, worker, { method: 'copy', incremental: true });
  const mark = () =>
    worker.client.query(
      `update holdfast.backup_request set parent = $2, incremental_from = '0/2000028' where id = $1`,
      [id, full],
    );
  await superuser.query('begin');
  await superuser.query('select from holdfast.backup_request where id = $1 for update', [full]);
  await worker.client.query(`set lock_timeout = '1s'`);
  await mark();
  await superuser.query('rollback');
  const begin = async () => {
    const [row] = await superuser.query('select * from holdfast.backup_request where id = $1', [full]);
    return worker.client.value(
      `select holdfast.begin_expiry('main', 'b', $1, null, 'copy', $2, $3, $4, 'old', null)`,
      [full, row?.['stopped_at'], row?.['system_identifier'], row?.['start_lsn']],
    );
  };
  t.is(await begin(), `backup ${id} is an incremental copy that needs it`);
  await worker.client.query(
    'update holdfast.backup_request set parent = null, incremental_from = null where id = $1',
    [id],
  );
  t.is(await begin(), null);
  await t.throwsAsync(mark(), { code: 'HF001', message: /has expired$/ });
});
