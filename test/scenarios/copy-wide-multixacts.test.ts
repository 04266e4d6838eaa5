// From PostgreSQL 19 on, the members of shared row locks are counted with 64 bits: in pg_control, in pg_multixact/offsets
// and in the names of the files in pg_multixact/members.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { parseControlFile } from '../../src/postgres/pg-control.ts';
import { noOwnCluster, noServerFiles, ownCluster } from '../support/cluster.ts';
import { copyScene, extracted, noCopies, started } from '../support/copies.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster, noServerFiles, noCopies, noTool(19, 'pg_resetwal'));

/** Above 2^32. Four members take 20 bytes of a page, and 32 pages are a file. */
const nextMember = 2n ** 32n + 16n;
const membersOfFile = BigInt(Math.floor(8192 / 20) * 4 * 32);

test('row locks that two transactions share are restored, beyond 2^32 of their members', async (t) => {
  const cluster = await ownCluster(t, { version: 19 });
  const data = String(cluster.dataDirectory);
  await cluster.stop();
  const program = join(String(toolsOf(19, 'pg_resetwal')), 'pg_resetwal');
  await asServerUser.run(program, ['-D', data, '-O', String(nextMember)]);
  const file = (nextMember / membersOfFile).toString(16).toUpperCase().padStart(15, '0');
  await asServerUser.writeFile(join(data, 'pg_multixact/members', file), Buffer.alloc(32 * 8192));
  await cluster.start();

  const scene = await copyScene(t, { cluster });
  const { admin, db } = scene;
  await admin.query('create table shared as select n from generate_series(1, 100) n');
  const [one, other] = [await connect(t, db.url), await connect(t, db.url)];
  for (const client of [one, other]) await client.query('begin; select from shared for share');
  for (const client of [one, other]) await client.query('commit');
  const members = `select xid::text, mode from pg_get_multixact_members((select xmax from shared limit 1)) order by 1`;
  const before = await admin.query(members);
  t.is(before.length, 2);
  await admin.query('checkpoint');
  const control = parseControlFile(await readFile(join(data, 'global/pg_control')));
  t.like(control, { state: 'in production', blockSize: 8192, walSegmentSize: 1 << 24, checksums: true });

  await scene.startCopier();
  const backup = await scene.copy();
  t.deepEqual(backup.row.warnings, []);
  const restored = await started(t, await extracted(t, backup, 19), db.name);
  t.deepEqual(await restored.query(members), before);
  t.is(await restored.value('select count(*)::int from shared'), 100);
});
