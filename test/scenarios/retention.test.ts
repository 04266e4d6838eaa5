// Backups over simulated days on a real server: what expires, and that every restore still promised works.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { archivedSegments } from '../../src/repository/wal-archive.ts';
import { grow } from '../support/grow.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);
const kept = 'select array_agg(n order by n)::text from kept';

interface Said {
  policy: object | null;
  goes: { id: number; reasons: string[] }[];
  stays: { id: number; reasons: string[] }[];
  wal_goes: { start_wal: string; end_wal: string; files: number }[];
  wal_stays: { reason: string; start_wal: string; end_wal: string }[];
  finished: string[];
  problems: string[];
}

async function expire(scene: RepositoryScene, ...args: string[]): Promise<Said> {
  const command = ['expire', '--json', '--repository', scene.repository, ...args];
  const { status, stdout, stderr } = await holdfast(command, { url: scene.workerLogin.url });
  if (status !== 0) throw new Error(`expire ended with ${status}: ${stderr}${stdout}`);
  const [said] = JSON.parse(stdout) as [Said];
  return said;
}

test('a week of backups: what the policy does not keep goes with its WAL, and every restore promised works', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, archiveAll, backup, directory, started } = scene;
  await admin.query('create table kept (n int)');
  const ids: number[] = [];
  for (let n = 1; n <= 5; n += 1) {
    await admin.query(`insert into kept values (${n})`);
    ids.push((await backup(n === 1 ? { keep: true } : {})).description.id);
    await admin.query(`insert into kept values (${n * 10})`);
    await archiveAll();
    if (n < 5) await grow(scene, 1);
  }
  t.is((await expire(scene)).policy, null);
  await admin.query(
    `insert into holdfast.retention_policy (cluster, keep_last, recovery_window) values ('main', 1, '36 hours')`,
  );

  const before = await archivedSegments(directory);
  const would = await expire(scene, '--dry-run');
  const [first, second, third, fourth, fifth] = ids;
  t.deepEqual(
    would.goes.map(({ id }) => id),
    [second],
  );
  t.deepEqual(await archivedSegments(directory), before);

  const did = await expire(scene);
  t.deepEqual(did.goes, would.goes);
  t.deepEqual(did.wal_goes, would.wal_goes);
  t.true(did.wal_goes.length > 0);
  t.deepEqual(
    did.stays.map(({ id, reasons }) => [id, reasons[0]]),
    [
      [first, 'keep is set'],
      [third, 'recovery_window begins with it on timeline 1'],
      [fourth, 'it is within recovery_window'],
      [fifth, 'it is the newest'],
    ],
  );

  // What is kept restores by itself, and the window to its end.
  for (const [index, id] of ids.entries()) {
    if (id === second) continue;
    const { client, cluster } = await started(
      String(id),
      '--target-immediate',
      '--target-action',
      'promote',
      '--no-archiving',
    );
    const all = Array.from({ length: index }, (_, n) => [n + 1, (n + 1) * 10]).flat();
    t.is(await client.value(kept), `{${[...all, index + 1].sort((a, b) => a - b).join(',')}}`);
    await cluster.stop('immediate');
  }
  const latest = await started('--no-archiving');
  t.is(await latest.client.value(kept), '{1,2,3,4,5,10,20,30,40,50}');
  t.deepEqual((await expire(scene)).goes, []);
  const [request] = await admin.query(
    'select expired_at is not null gone from holdfast.backup_request order by id offset 1 limit 1',
  );
  t.true(request?.['gone']);
  t.true(existsSync(join(directory, 'latest', 'base.tar.zst')));
});
