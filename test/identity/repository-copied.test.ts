// A byte copy of a repository has the owner.json of the original. It is told from the original at once, while the worker
// lives that is in charge of the original: that worker renews the token there, and not in the copy.
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { RepositoryOwner } from '../../src/repository/repository-owner.ts';
import { asRole } from '../support/installed-database.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { retentionStage } from '../support/retention-stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A repository with a worker in charge of it, and a byte copy that has just been made. */
async function scene(t: ExecutionContext) {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  const { url } = await asRole(t, stage.db, 'worker');
  const worker = await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: stage.repository } });
  await eventually('the worker is in charge', () =>
    stage.superuser.value<boolean>(
      `select repository_used_at is not null and repository_pending = '{}' from holdfast.cluster where name = 'main'`,
    ),
  );
  const copy = join(await temporaryDirectory(t), 'copy');
  await cp(stage.repository, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  const env = { HOLDFAST_REPOSITORY: copy };
  return { ...stage, url, worker, copy, run: (...args: string[]) => holdfast(args, { url, env }) };
}

async function tokenIn(repository: string): Promise<string | null> {
  const text = await readFile(join(repository, 'main', 'owner.json'), 'utf8');
  return (JSON.parse(text) as RepositoryOwner).token;
}

test('what is found of a copy is not recorded, however young the copy is', async (t) => {
  const it = await scene(t);
  const token = await tokenIn(it.copy);
  const { stderr } = await it.run('verify', String(it.names[0]));
  t.regex(stderr, /this is not in backup_verification: .*owner\.json" is an older copy of that file/);
  t.is(await it.superuser.value('select count(*)::int from holdfast.backup_verification'), 0);
  t.is(await tokenIn(it.copy), token);
  t.not(await tokenIn(it.repository), token);

  const ours = await holdfast(['verify', String(it.names[0])], {
    url: it.url,
    env: { HOLDFAST_REPOSITORY: it.repository },
  });
  t.notRegex(ours.stderr, /this is not in backup_verification/);
  t.is(await it.superuser.value('select count(*)::int from holdfast.backup_verification'), 1);
});

test('an expiry does not take a copy for the repository, and the worker in charge goes on with its own', async (t) => {
  const it = await scene(t);
  const { status, stderr } = await it.run('expire');
  t.is(status, 1);
  t.regex(stderr, /owner\.json" is an older copy of that file/);
  t.regex(stderr, /holdfast adopt/);
  t.is((await it.expired()).goes.length, 1);
  t.is(await it.superuser.value(`select repository_problem from holdfast.cluster where name = 'main'`), null);
});

test('a second worker, which has the copy, is refused by name', async (t) => {
  const it = await scene(t);
  const second = await startWorkerProcess(t, {
    url: it.url,
    env: { HOLDFAST_REPOSITORY: it.copy, HOLDFAST_NAME: 'second' },
  });
  await second.untilLine(/does not write to the repository .*is an older copy of that file/);
  t.is(
    await it.superuser.value(
      `select repository_token::text from holdfast.cluster where name = 'main' and repository_pending = '{}'`,
    ),
    await tokenIn(it.repository),
  );
});

test('a repository that was moved goes on after one command, and without one while no worker has it', async (t) => {
  const it = await scene(t);
  it.worker.kill('SIGKILL');
  await it.worker.exited;
  t.is((await it.run('expire', '--json')).status, 0, 'nobody else is in charge of it');

  // The worker of before had renewed its token once more since the copy was made.
  const file = join(it.copy, 'main', 'owner.json');
  const owner = JSON.parse(await readFile(file, 'utf8')) as RepositoryOwner;
  const before = '00000000-0000-4000-8000-000000000001';
  await writeFile(file, JSON.stringify({ ...owner, token: before, usedAt: '2026-01-01T00:00:00.000Z' }));
  t.regex((await it.run('expire')).stderr, /run "holdfast adopt"/);
  t.is((await holdfast(['adopt', '--yes'], { url: it.db.url })).status, 0);
  t.is((await it.run('expire', '--json')).status, 0);
});
