// Who asked and who moved: the role that acts and the login behind it, which nobody chooses for himself.
import test from 'ava';
import { asRole, installedDatabase, type InstalledDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { cancel, request, requestIn, stateOf } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

const whoAsked = 'select requested_by, requested_login from holdfast.backup_request where id = $1';
const whoMoved = 'select to_state, who, login from holdfast.backup_event where request_id = $1 order by id';

test('a request names the role and the login, the same without SET ROLE', async (t) => {
  const requester = await asRole(t, await installedDatabase(t), 'requester');
  const id = await request(requester);
  const { role } = requester;
  t.deepEqual(await requester.query(whoAsked, [id]), [{ requested_by: role, requested_login: role }]);
  t.deepEqual(await requester.query(whoMoved, [id]), [{ to_state: 'requested', who: role, login: role }]);
});

test('behind SET ROLE the request is the role’s, and the login is still told', async (t) => {
  const db = await installedDatabase(t);
  const team = await asRole(t, db, 'requester');
  const [pool, colleague] = [await asRole(t, db), await asRole(t, db)];
  await joinRole(t, db, team.role, pool.role, colleague.role);

  await pool.query(`set role ${team.role}`);
  const id = await request(pool);
  t.deepEqual(await pool.query(whoAsked, [id]), [{ requested_by: team.role, requested_login: pool.role }]);

  await colleague.query(`set role ${team.role}`);
  await cancel(colleague, id);
  t.deepEqual(await pool.query(whoMoved, [id]), [
    { to_state: 'requested', who: team.role, login: pool.role },
    { to_state: 'cancelled', who: team.role, login: colleague.role },
  ]);
});

test('being a member of the requester’s role is not being him', async (t) => {
  const db = await installedDatabase(t);
  const team = await asRole(t, db, 'requester');
  const member = await asRole(t, db, 'requester');
  await joinRole(t, db, team.role, member.role);
  const id = await request(team);

  await cancel(member, id);
  t.is(await stateOf(member, id), 'requested', 'the row is not his');
  await member.query(`set role ${team.role}`);
  await cancel(member, id);
  t.is(await stateOf(member, id), 'cancelled');
});

test('a role cannot be set on the way to be somebody else in the history', async (t) => {
  const db = await installedDatabase(t);
  const [mallory, alice] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  const tricks = [
    `set role ${alice.role}`,
    `set session authorization ${alice.role}`,
    `insert into holdfast.backup_request (label) select set_config('role', '${alice.role}', true)`,
    `insert into holdfast.backup_request (label) values ('x') returning set_config('role', '${alice.role}', true)`,
    `set local session_replication_role = replica`,
  ];
  for (const trick of tricks)
    await t.throwsAsync(mallory.query(trick), { message: /permission denied/ }, trick);
  t.is(await mallory.value('select count(*)::int from holdfast.backup_event'), 0);
});

test('a SECURITY DEFINER function requests as its owner, and the login is still told', async (t) => {
  const db = await installedDatabase(t);
  const [owner, caller] = [await asRole(t, db, 'requester'), await asRole(t, db)];
  const superuser = await connect(t, db.url);
  await superuser.query(`create schema api authorization ${owner.role}`);
  await owner.query(`create function api.ask() returns bigint language sql security definer
    set search_path = holdfast, pg_temp as 'insert into backup_request default values returning id'`);
  await owner.query(`grant usage on schema api to ${caller.role}`);

  const id = await caller.value('select api.ask()');
  t.deepEqual(await owner.query(whoMoved, [id]), [
    { to_state: 'requested', who: owner.role, login: caller.role },
  ]);
});

test('an operator finishes and cancels anyone’s, keeps them, and is named in the history', async (t) => {
  const db = await installedDatabase(t);
  const [operator, requester] = [await asRole(t, db, 'operator'), await asRole(t, db, 'requester')];
  const worker = await playWorker(t, db);
  const running = await requestIn('running', requester, worker);
  const waiting = await request(requester);

  await operator.query(`call holdfast.cancel_backup(${waiting})`);
  await operator.query(
    `update holdfast.backup_request set state = 'done', keep = true where id = ${running}`,
  );
  t.is(await stateOf(requester, waiting), 'cancelled');
  t.is(await stateOf(requester, running), 'done');
  t.true(await requester.value(`select keep from holdfast.backup_request where id = ${running}`));
  const { role } = operator;
  t.deepEqual((await requester.query(whoMoved, [running])).at(-1), {
    to_state: 'done',
    who: role,
    login: role,
  });
});

test('an operator can give up an archiving backup, whose row then says who did', async (t) => {
  const db = await installedDatabase(t);
  const [operator, requester] = [await asRole(t, db, 'operator'), await asRole(t, db, 'requester')];
  const id = await requestIn('archiving', requester, await playWorker(t, db));
  const giveUp = `update holdfast.backup_request set state = 'failed' where id = ${id}
    returning error_code, error, finished_at is not null as over, backup_label is not null as readable`;

  await t.throwsAsync(requester.query(giveUp), {
    code: 'HF001',
    message: /cannot move from archiving to failed/,
  });
  t.deepEqual(await operator.query(giveUp), [
    {
      error_code: 'given_up',
      error: `role "${operator.role}" gave the backup up while its WAL was not archived`,
      over: true,
      readable: true,
    },
  ]);
});

async function joinRole(
  t: Parameters<typeof connect>[0],
  db: InstalledDatabase,
  role: string,
  ...members: string[]
): Promise<void> {
  const superuser: SqlClient = await connect(t, db.url);
  await superuser.query(`grant ${role} to ${members.join(', ')}`);
}
