// A data directory that is put back from a snapshot, and goes on where an earlier copy of it once began: the same
// timeline, the same LSN, and other data.
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { noIncrements } from '../support/chains.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { request } from '../support/requests.ts';
import { connect, withClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { untilState } from '../support/backups.ts';

const test = testWhen(noOwnCluster, noIncrements).serial;

test('a copy that was made before the data directory was put back is no parent, though the next one begins at its LSN', async (t) => {
  const { server, copied, change, takeSnapshot, putBack } = await stage(t);
  await server.stop();
  await takeSnapshot();
  await server.start();

  await change(100, 'what was undone');
  const undone = await copied();
  await putBack();

  await change(10_000, 'what came instead');
  const first = await copied();
  t.is(first.start_lsn, undone.start_lsn);
  t.is(first.parent, null);
  t.true(
    first.warnings.some((warning) =>
      warning.includes(`-${undone.id} has no mark in the data directory, which was put back`),
    ),
    first.warnings.join(),
  );
  await change(15_000, 'what came next');
  t.is((await copied()).parent, first.id);
});

test('a copy is no parent where the data directory was put back from a snapshot made while it was under way', async (t) => {
  const { client, worker, requestCopy, copied, change, takeSnapshot, putBack } = await stage(t);
  const id = await requestCopy({ rate_limit: 4_000_000 });
  await eventually('it is copied', () =>
    client.value('select bytes_done > 0 from holdfast.backup_status where id = $1', [id]),
  );
  worker.kill('SIGSTOP');
  await takeSnapshot();
  await change(100, 'what was undone');
  worker.kill('SIGCONT');
  const undone = await untilState(client, id, 'complete', { within: 120_000 });
  await putBack();

  await change(10_000, 'what came instead');
  const next = await copied();
  t.is(next.parent, null);
  t.regex(
    next.warnings.join(),
    new RegExp(`-${undone.id} has no mark in the data directory, which was put back`),
  );
});

/** A server of which copies are made, and whose data directory can be put back. Nothing writes to it by itself. */
async function stage(t: ExecutionContext) {
  const server = await ownCluster(t, {
    settings: { summarize_wal: 'on', archive_mode: 'on', archive_command: 'true', autovacuum: 'off' },
  });
  const db = await installedDatabase(t);
  const repository = await server.serverDirectory('repository');
  await makeRepository(repository);
  const config = `[cluster.main]\nurl = "${server.url()}"\n`;
  const worker = await startWorkerProcess(t, {
    url: db.url,
    config,
    env: { HOLDFAST_REPOSITORY: repository },
  });
  const client = await connect(t, db.url);
  const requestCopy = (columns: Record<string, unknown> = {}) =>
    request(client, { method: 'copy', fast: true, incremental: true, ...columns });
  await withClient(server.url(), async (admin) => {
    await admin.query(`create table t as select n, 'before' as text from generate_series(1, 20000) n`);
    await admin.query('select pg_switch_wal()');
  });
  const data = String(server.dataDirectory);
  const snapshot = join(await server.serverDirectory('snapshot'), 'data');
  return {
    server,
    worker,
    client,
    requestCopy,
    copied: async () => untilState(client, await requestCopy(), 'complete', { within: 120_000 }),
    change: (from: number, text: string) =>
      withClient(server.url(), (admin) =>
        admin.query('update t set text = $1 where n between $2 and $2 + 100', [text, from]),
      ),
    takeSnapshot: () => asServerUser.run('cp', ['-a', data, snapshot]),
    putBack: async () => {
      await server.stop();
      await asServerUser.run('find', [data, '-mindepth', '1', '-delete']);
      await asServerUser.run('cp', ['-a', `${snapshot}/.`, data]);
      await asServerUser.run('rm', ['-f', join(data, 'postmaster.pid')]);
      await server.start();
    },
  };
}
