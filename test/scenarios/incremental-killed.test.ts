// A worker that is killed in the middle of an incremental copy: nothing of it is listed, and the chain goes on.
import { chainScene, combined, noIncrements } from '../support/chains.ts';
import { noTool } from '../../dev/debian/postgres-tools.ts';
import { usual } from '../../dev/embedded/binaries.ts';
import { started } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noIncrements, noTool(usual, 'pg_combinebackup')).serial;

test('killed while it copies changes, it leaves nothing behind, and the next one has the same parent', async (t) => {
  const scene = await chainScene(t);
  const { admin, names } = scene;
  const { worker } = scene;
  await admin.query(
    `create table kept as select n, repeat('x', 1000) as filler from generate_series(1, 20000) n`,
  );
  const full = await scene.copy();
  await admin.query('update kept set n = -n where n % 2 = 0');
  const id = await scene.requestCopy({ incremental: true, rate_limit: 1_000_000 });
  await eventually('the row names the parent, and something is copied', () =>
    admin.value<boolean>(
      `select coalesce(bool_or(parent is not null and bytes_done > 0), false) from holdfast.backup_request r
       join holdfast.backup_stage s on s.request_id = r.id and s.stage = 'copy' where r.id = $1`,
      [id],
    ),
  );
  t.true((await names()).some((name) => name.endsWith(`Z-${id}.partial`)));
  worker.kill('SIGKILL');
  await worker.exited;
  await scene.startCopier();
  const row = await eventually(
    'the request has failed',
    async () => {
      const found = await scene.row(id);
      return found.state === 'failed' ? found : undefined;
    },
    { within: 60_000 },
  );
  t.is(row.error_code, 'worker_lost');
  await eventually('nothing of it is left', async () =>
    (await names()).every((name) => !name.includes(`Z-${id}`)),
  );

  const next = await scene.increment();
  t.is(next.row.parent, full.row.id);
  const client = await started(t, await combined(t, [full, next], scene.cluster.version), scene.db.name);
  t.is(await client.value('select count(*)::int from kept where n < 0'), 10_000);
});
