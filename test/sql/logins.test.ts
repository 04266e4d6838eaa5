// Who may SET ROLE is two requesters, or ten: what is limited is limited for the login as well.
import test from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { waitingRequests } from '../../src/control/backup-requests.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('no more requests of a login wait for its SET ROLE, and others of that role go on', async (t) => {
  const db = await installedDatabase(t);
  const owner = await connect(t, db.url);
  await owner.query('update holdfast.setting set max_requested = 4');
  const [one, another] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  for (let n = 0; n < 2; n += 1) await request(one);
  await one.query('set role holdfast_requester');
  for (let n = 0; n < 2; n += 1) await request(one);
  await t.throwsAsync(request(one), { code: '53400', message: /^login ".*" has 4 backup requests waiting/ });
  await one.query('reset role');
  await t.throwsAsync(request(one), { code: '53400', message: /^login "/ });

  await another.query('set role holdfast_requester');
  for (let n = 0; n < 2; n += 1) await request(another);
  await t.throwsAsync(request(another), { code: '53400', message: /^role "holdfast_requester" has 4/ });
});

test('a login has no more copies of a cluster under way for its SET ROLE, and keeps nobody of that role waiting', async (t) => {
  const db = await installedDatabase(t);
  const [one, another] = [await asRole(t, db, 'requester'), await asRole(t, db, 'requester')];
  const worker = await playWorker(t, db);
  const copy = { method: 'copy' };
  const underWay = await request(one, copy);
  const connection = await Connection.open({ url: db.url, schema: 'holdfast' });
  const offered = async (...notThese: string[]) =>
    (await waitingRequests(connection, ['main'], notThese.map(Number), 1)).map(({ id }) => String(id));
  await one.query('set role holdfast_requester');
  await request(one, copy);
  const held = await request(one);
  await another.query('set role holdfast_requester');
  const theirs = await request(another, copy);
  const [scheduled] = await scheduledCopy(t, db.url, one.role);

  t.deepEqual(await offered(underWay), [held, theirs, scheduled], 'it is about to be claimed');
  await worker.claim(underWay);
  t.deepEqual(await offered(), [held, theirs, scheduled]);
  await connection.close();
});

/** As if a worker with that very login had fired it. */
async function scheduledCopy(t: Parameters<typeof asRole>[0], url: string, login: string): Promise<string[]> {
  const owner = await connect(t, url);
  await owner.query(
    `insert into holdfast.backup_schedule (name, cron, method) values ('nightly', '0 3 * * *', 'copy')`,
  );
  await owner.query('begin');
  await owner.query('set local session_replication_role = replica');
  const id = await owner.value<string>(
    `insert into holdfast.backup_request (cluster, label, method, schedule, requested_by, requested_login, requested_at,
       moved_by, control_origin)
     values ('main', 'nightly', 'copy', 'nightly', 'owner', $1, now(), 'owner', holdfast.control_origin())
     returning id`,
    [login],
  );
  await owner.query('commit');
  return [id];
}
