// Whoever calls start_backup and is gone before it returns knows of no session: none stays held for him.
import test from 'ava';
import { untilLooked } from '../support/looks.ts';
import { isConnected } from '../support/backups.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { finish } from '../support/requests.ts';
import { scene } from '../support/scene.ts';
import { connect } from '../support/sql-client.ts';

test('a request whose caller was killed is failed, and its session ended', async (t) => {
  const it = await scene(t);
  const caller = await connect(t, it.db.url);
  const call = caller.query(`call holdfast.start_backup('deserted', fast => true)`).catch(() => 'killed');
  await eventuallyRow(it.admin, `select from holdfast.backup_request where label = 'deserted'`);
  await it.admin.query('select pg_terminate_backend($1)', [caller.pid]);
  t.is(await call, 'killed');
  await it.startWorker();
  const { id, pid } = await eventuallyRow<{ id: string; pid: number }>(
    it.admin,
    `select id, pid from holdfast.backup_request where label = 'deserted' and state = 'running'`,
  );
  const failed = await it.untilState(id, 'failed', { within: 20_000 });
  t.is(failed.error_code, 'caller_gone');
  await eventually('its session ends', async () => !(await isConnected(it.admin, pid)), { within: 2000 });
});

test('once start_backup has returned, its caller may go: the backup is held', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const caller = await connect(t, it.db.url);
  const [started] = await caller.query<{ id: string }>(`call holdfast.start_backup('kept', fast => true)`);
  await caller.close();
  const id = String(started?.id);
  t.is(await it.admin.value('select caller_key from holdfast.backup_request where id = $1', [id]), null);
  await untilLooked(it.admin, 4);
  t.is((await it.row(id)).state, 'running');
  await finish(it.admin, id);
  await it.untilState(id, 'complete');
});
