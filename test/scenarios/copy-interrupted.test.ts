// A copy that ends early leaves nothing behind; and one that is whole is never taken for half of one.
import { mkdir, readdir, rename, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { historyFileName } from '../support/backup-history.ts';
import { copyScene, noCopies, type CopyScene } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { echoIsOver } from '../support/moments.ts';
import { cancel } from '../support/requests.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

/** A copy that takes minutes, and has begun. */
async function slowCopy(scene: CopyScene): Promise<string> {
  const id = await scene.requestCopy({ rate_limit: 100_000 });
  await scene.untilState(id, 'running');
  await eventually('it has written something', async () => {
    const partial = (await scene.names()).find((name) => name.endsWith('.partial'));
    return (
      partial !== undefined &&
      stat(join(scene.repository, 'main', 'backups', partial, 'base.tar.zst')).then(
        ({ size }) => size > 0,
        () => false,
      )
    );
  });
  return id;
}

test('its progress is in the status, and moves', async (t) => {
  const scene = await copyScene(t);
  await scene.startCopier();
  const id = await slowCopy(scene);
  const [row] = await scene.admin.query<{ stage: string; bytes_expected: number; waiting_for: string }>(
    'select stage, bytes_expected::float8, waiting_for from holdfast.backup_status where id = $1',
    [id],
  );
  t.like(row, { stage: 'copy', waiting_for: 'the files to be copied' });
  t.true(Number(row?.bytes_expected) > 1_000_000);
  await eventually('some of it is done', () =>
    scene.admin.value('select bytes_done > 0 from holdfast.backup_status where id = $1', [id]),
  );
});

test('a cancelled copy ends at once and leaves nothing', async (t) => {
  const scene = await copyScene(t);
  await scene.startCopier();
  const id = await slowCopy(scene);
  await cancel(scene.client, id);
  await eventually('nothing is left', async () => (await scene.names()).length === 0);
  t.is((await scene.row(id)).state, 'cancelled');
  await scene.copy(); // and the next one is made
});

test('a worker that is told to stop twice fails it and leaves nothing', async (t) => {
  const scene = await copyScene(t);
  const worker = await scene.startCopier();
  const id = await slowCopy(scene);
  worker.kill('SIGTERM');
  await worker.untilLine(/draining/);
  await echoIsOver();
  worker.kill('SIGTERM');
  await worker.exited;
  t.is((await scene.row(id)).error_code, 'worker_stopped');
  t.deepEqual(await scene.names(), []);
});

test('a copy with a hold_timeout fails when that is over', async (t) => {
  const scene = await copyScene(t);
  await scene.startCopier();
  const id = await scene.requestCopy({ rate_limit: 100_000, hold_timeout: '3 s' });
  const row = await scene.untilState(id, 'failed');
  t.is(row.error_code, 'hold_timeout');
  await eventually('nothing is left', async () => (await scene.names()).length === 0);
});

test('a copy that gets no label, as the server cannot stop the backup, leaves nothing', async (t) => {
  const scene = await copyScene(t);
  await scene.startCopier();
  const id = await scene.requestCopy({ rate_limit: 10_000_000 });
  const running = await scene.untilState(id, 'running');
  const name = await historyFileName(scene.admin, running);
  const inTheWay = join(String(scene.cluster.dataDirectory), 'pg_wal', name);
  await mkdir(inTheWay);
  const row = await scene.untilState(id, 'failed', { within: 60_000 });
  t.regex(String(row.error), /could not create file ".*\.backup": Is a directory/);
  t.deepEqual(await scene.names(), []);
  await rmdir(inTheWay);
  await scene.copy();
});

test('what a killed worker left is removed by the next one, and no finished backup', async (t) => {
  const scene = await copyScene(t);
  const worker = await scene.startCopier();
  const finished = await scene.copy();
  const before = await scene.names();
  const id = await slowCopy(scene);
  worker.kill('SIGKILL');
  await worker.exited;
  t.true((await scene.names()).length > before.length);
  await scene.startCopier();
  const row = await scene.untilState(id, 'failed');
  t.is(row.error_code, 'worker_lost');
  await eventually('what it left is gone', async () => (await scene.names()).length === before.length);
  t.deepEqual(await scene.names(), before);
  t.true((await readdir(finished.directory)).includes('base.tar.zst'));
});

test('a second worker leaves alone what the first one is writing', async (t) => {
  const scene = await copyScene(t);
  await scene.startCopier();
  const id = await slowCopy(scene);
  const before = await scene.names();
  const second = await scene.startCopier();
  second.kill('SIGTERM');
  await second.exited;
  t.deepEqual(await scene.names(), before);
  t.is((await scene.row(id)).state, 'running');
});

test('a backup that is stored, with its worker killed before the row knew, is taken over', async (t) => {
  const scene = await copyScene(t);
  const worker = await scene.startCopier();
  const { id } = await heldBackInDone(scene);
  await eventually('it is stored', async () =>
    (await scene.names()).some((name) => name.endsWith(`Z-${id}`)),
  );
  worker.kill('SIGKILL');
  await worker.exited;
  await release(scene);
  await scene.startCopier();
  const row = await scene.untilState(id, 'complete');
  t.regex(row.warnings.join(), /its label was found in the repository/);
  t.regex(String(row.backup_label), /^START WAL LOCATION/);
});

test('a stopped copy that is not whole in the repository fails, although its label could be rebuilt', async (t) => {
  const scene = await copyScene(t);
  const worker = await scene.startCopier();
  const { id } = await heldBackInDone(scene);
  const stored = await eventually('it is stored', async () =>
    (await scene.names()).find((name) => name.endsWith(`Z-${id}`)),
  );
  worker.kill('SIGKILL');
  await worker.exited;
  const backups = join(scene.repository, 'main', 'backups');
  await rename(join(backups, stored), join(backups, `${stored}.partial`));
  await release(scene);
  await scene.startCopier();
  const row = await scene.untilState(id, 'failed');
  t.is(row.error_code, 'worker_lost');
  await eventually('it is removed', async () => (await scene.names()).length === 0);
});

/** The row cannot be moved on from done: a trigger of the test's own waits for a lock that is held here. */
async function heldBackInDone(scene: CopyScene): Promise<{ id: string }> {
  await scene.admin.query(`
    create function public.hold_back() returns trigger language plpgsql as $$
    begin perform pg_sleep(3600); return new; end $$;
    create trigger a_hold_back before update of state on holdfast.backup_request
      for each row when (old.state = 'done') execute function public.hold_back()`);
  const id = await scene.requestCopy();
  await scene.untilState(id, 'done');
  return { id };
}

async function release(scene: CopyScene): Promise<void> {
  await scene.admin.query('drop function public.hold_back() cascade');
}
