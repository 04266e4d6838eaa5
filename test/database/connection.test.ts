// What a connection to a real server does when it is asked several things at once.
import test from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { sharedCluster } from '../support/cluster.ts';
import { connect } from '../support/sql-client.ts';

test('a connection that many ask at the same time asks one after another, and pg has nothing to warn of', async (t) => {
  const warnings: Error[] = [];
  const listener = (warning: Error) => void warnings.push(warning);
  process.on('warning', listener);
  t.teardown(() => process.off('warning', listener));
  const db = await Connection.open({ url: (await sharedCluster()).url() });
  const asked = [1, 2, 3, 4].map((number) => db.query(`select ${number === 3 ? '1/0' : number} as number`));
  t.true(db.isBusy);
  const answers = await Promise.allSettled(asked);
  t.deepEqual(
    answers.map((answer) => (answer.status === 'fulfilled' ? answer.value[0]?.number : answer.reason.code)),
    [1, 2, '22012', 4],
  );
  t.false(db.isBusy);

  const cut = [1, 2, 3].map(() => db.query('select pg_sleep(60)'));
  db.cut();
  for (const answer of await Promise.allSettled(cut)) t.is(answer.status, 'rejected');
  await t.throwsAsync(db.query('select 1'), { message: 'the connection was cut' });
  t.deepEqual(warnings, []);
});

test('the reason of a loss has the error that ended the session and the warning that followed it', async (t) => {
  const cluster = await sharedCluster();
  const admin = await connect(t, cluster.url());
  const db = await Connection.open({ url: cluster.url() });
  await db.query(backupStart(cluster.version));
  const told: string[] = [];
  db.onLost(({ message }) => void told.push(message));
  await admin.query('select pg_terminate_backend($1)', [db.backendKey]);
  t.regex(
    (await db.untilLost()).message,
    /^terminating connection due to administrator command; aborting backup due to backend exiting/,
  );
  t.is(told.length, 1);
  t.true(db.isLost);
  await t.throwsAsync(db.query('select 1'), { message: told[0] ?? '' });
});

test('the same is told of a session that was ended during a query', async (t) => {
  const cluster = await sharedCluster();
  const admin = await connect(t, cluster.url());
  const db = await Connection.open({ url: cluster.url() });
  await db.query(backupStart(cluster.version));
  const query = db.query('select pg_sleep(600)');
  query.catch(() => undefined);
  await admin.query('select pg_terminate_backend($1)', [db.backendKey]);
  await t.throwsAsync(query, { code: '57P01' });
  t.true(db.isLost);
  t.regex((await db.untilLost()).message, /administrator command; aborting backup/);
});

function backupStart(version: number): string {
  return version >= 15
    ? `select pg_backup_start('kept', true)`
    : `select pg_start_backup('kept', true, false)`;
}
