// Expiry beside a copy that is being made: it takes nothing of it, nor WAL that it needs.
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { archivedSegments } from '../../src/repository/wal-archive.ts';
import { eventually } from '../support/eventually.ts';
import { grow } from '../support/grow.ts';
import { holdfast } from '../support/process.ts';
import { pushCommand, repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { request } from '../support/requests.ts';
import { noRestore } from '../support/restored-copy.ts';
import { makeArchiverFail } from '../support/stuck-archiver.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore);

async function expired({ repository, workerLogin }: RepositoryScene): Promise<number[]> {
  const command = ['expire', '--json', '--repository', repository];
  const { status, stdout, stderr } = await holdfast(command, { url: workerLogin.url });
  if (status !== 0) throw new Error(stderr);
  const [{ goes }] = JSON.parse(stdout) as [{ goes: { id: number }[] }];
  return goes.map(({ id }) => id);
}

/** A copy in the middle of which its worker stands still. */
async function stoppedCopy({ client, worker, directory, untilState }: RepositoryScene) {
  const id = await request(client, { method: 'copy', fast: true, rate_limit: 4_000_000 });
  const { start_wal: startWal } = await untilState(id, 'running');
  const backups = join(directory, 'backups');
  const partial = await eventually('it has written something', async () => {
    const name = (await readdir(backups)).find((one) => one.endsWith('.partial'));
    const base = join(backups, String(name), 'base.tar.zst');
    return (await stat(base).catch(() => undefined))?.size ? base : undefined;
  });
  worker.kill('SIGSTOP');
  return { id, startWal: String(startWal), partial };
}

test('a copy that is under way, and one whose WAL is not archived yet, lose nothing to an expiry', async (t) => {
  const scene = await repositoryScene(t);
  const { admin, archiveAll, cluster, directory, untilState, worker } = scene;
  t.teardown(() => worker.kill('SIGCONT'));
  await admin.query('create table kept (n int)');
  for (let n = 0; n < 2; n += 1) {
    await scene.backup();
    await archiveAll();
    await grow(scene, 1);
  }
  await admin.query(
    `insert into holdfast.retention_policy (cluster, keep_last, recovery_window) values ('main', 1, '0')`,
  );

  const { id, startWal, partial } = await stoppedCopy(scene);
  await admin.query('insert into kept values (1)');
  await archiveAll();
  const needed = (await archivedSegments(directory)).filter((name) => name >= startWal);
  t.true(needed.length > 0);
  t.deepEqual(await expired(scene), [1]);
  t.is((await scene.row(id)).state, 'running');
  t.true(existsSync(partial));
  t.deepEqual(
    (await archivedSegments(directory)).filter((name) => name >= startWal),
    needed,
  );

  await makeArchiverFail(cluster, admin);
  worker.kill('SIGCONT');
  await untilState(id, 'archiving');
  t.deepEqual(await expired(scene), []);
  t.deepEqual(
    (await archivedSegments(directory)).filter((name) => name >= startWal),
    needed,
  );
  await cluster.configure({ archive_command: pushCommand(scene.repository) });
  await admin.query('select pg_switch_wal()');
  await untilState(id, 'complete', { within: 120_000 });

  const verified = await holdfast(['verify', id, '--repository', scene.repository], {
    url: scene.workerLogin.url,
  });
  t.is(verified.status, 0, verified.stdout);
  const { client } = await scene.started('--no-archiving');
  t.is(await client.value('select n from kept'), 1);
});
