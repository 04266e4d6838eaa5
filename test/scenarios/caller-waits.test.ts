// A caller of start_backup waits for long, or is gone between two of its transactions.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { cancel } from '../support/requests.ts';
import { scene, sceneOfItsOwn } from '../support/scene.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

test('a request whose caller was cancelled between two of its transactions is failed likewise', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  // A CALL that ends after its INSERT is committed and before anything catches the interruption.
  await it.client.query('begin');
  await it.client.query(
    `insert into holdfast.backup_request (label, fast, caller_key) values ('deserted', true, 42)`,
  );
  await it.client.query('commit');
  const { id } = await eventuallyRow<{ id: string }>(
    it.admin,
    `select id from holdfast.backup_request where label = 'deserted' and state = 'running'`,
  );
  t.is((await it.untilState(id, 'failed', { within: 20_000 })).error_code, 'caller_gone');
});

testWhen(noOwnCluster)('a caller that waits for long is seen to wait', async (t) => {
  const it = await sceneOfItsOwn(t, { settings: { checkpoint_timeout: '5min' } });
  await it.admin.query(
    'create table pages as select n, repeat($1, 500) as filler from generate_series(1, 20000) n',
    ['x'],
  );
  await it.startWorker();
  const caller = await connect(t, it.db.url);
  const call = caller.query(`call holdfast.start_backup('patient')`).catch(() => undefined);
  const { id } = await eventuallyRow<{ id: string }>(
    it.admin,
    `select id from holdfast.backup_request where label = 'patient' and state = 'starting'`,
  );
  await untilLooked(it.admin, 4);
  t.is((await it.row(id)).state, 'starting', 'in its spread checkpoint');
  await cancel(it.admin, id);
  await call;
});
