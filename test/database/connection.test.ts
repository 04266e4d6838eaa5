// What a connection to a real server does when it is asked several things at once.
import test from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { sharedCluster } from '../support/cluster.ts';

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
