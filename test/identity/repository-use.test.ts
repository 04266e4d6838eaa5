// Who may write to a repository: two copies of one control database have everything in common but what happens since.
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { standing, useRepository } from '../../src/identity/repository-use.ts';
import { announceToken, knownRepository } from '../../src/control/control-identity.ts';
import type { RepositoryOwner } from '../../src/repository/repository-owner.ts';
import type { Finished } from '../../dev/harness/children.ts';
import { asRole } from '../support/installed-database.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { retentionStage, type RetentionStage } from '../support/retention-stage.ts';

const state =
  'repository_id, repository_token, repository_pending, repository_taken_over, repository_used_at';

/** What a copy of the control database that was made at this moment has. */
async function remembered({ superuser }: RetentionStage): Promise<() => Promise<unknown>> {
  const [row = {}] = await superuser.query(`select ${state} from holdfast.cluster where name = 'main'`);
  return () =>
    superuser.query(`update holdfast.cluster set (${state}) = row($1, $2, $3, $4, $5) where name = 'main'`, [
      row['repository_id'],
      row['repository_token'],
      row['repository_pending'],
      row['repository_taken_over'],
      row['repository_used_at'],
    ]);
}

async function ownerIn({ directory }: RetentionStage): Promise<RepositoryOwner> {
  return JSON.parse(await readFile(join(directory, 'owner.json'), 'utf8')) as RepositoryOwner;
}

function adopt({ db }: RetentionStage, ...args: string[]): Promise<Finished> {
  return holdfast(['adopt', '--yes', ...args], { url: db.url });
}

test('of two copies of a control database the second is refused by name, until it is adopted', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  await stage.expired();
  const becomeTheCopy = await remembered(stage);
  await stage.expired();
  const becomeProduction = await remembered(stage);

  await becomeTheCopy();
  await stage.policy({ keep_last: 1 });
  const before = await stage.listed();
  const refused = await stage.expire(['--json']);
  t.is(refused.status, 1);
  t.regex(
    refused.stderr,
    /repository_used_elsewhere.*has been used by another copy of this control database/,
  );
  t.regex(refused.stderr, /holdfast adopt/);
  t.deepEqual(await stage.listed(), before);

  const { status, stdout } = await adopt(stage);
  t.is(status, 0, stdout);
  t.is((await stage.expired()).goes.length, 2);
  await becomeProduction();
  t.regex((await stage.expire(['--json'])).stderr, /repository_used_elsewhere/);
});

test('a snapshot of a control database whose worker lives is refused once the worker has renewed its token', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  const { url } = await asRole(t, stage.db, 'worker');
  const worker = await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: stage.repository } });
  const renewed = (since: string) =>
    eventually('the worker renews its token', () =>
      stage.superuser.value<string | null>(
        `select max(repository_token::text) from holdfast.cluster
         where repository_pending = '{}' and repository_token::text <> $1`,
        [since],
      ),
    );
  const begun = await renewed('');
  const becomeTheSnapshot = await remembered(stage);
  await stage.superuser.query(`update holdfast.cluster set repository_used_at = now() - interval '61 s'`);
  await renewed(begun);
  worker.kill('SIGKILL');
  await worker.exited;
  const production = await remembered(stage);

  await becomeTheSnapshot();
  await stage.policy({ keep_last: 1 });
  t.regex((await stage.expire(['--json'])).stderr, /repository_used_elsewhere/);
  t.is((await stage.listed()).filter((name) => !name.includes('.')).length, 4);
  await production();
  t.is((await stage.expired()).goes.length, 3, 'production has not been locked out');
});

test('a token that was written by a use which was killed stays known, however often it cannot be renewed then', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  await stage.expired();
  const written = '00000000-0000-4000-8000-000000000003';
  const file = join(stage.directory, 'owner.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), token: written }));
  await stage.superuser.query('update holdfast.cluster set repository_pending = array[$1::uuid]', [written]);
  const db = await Connection.open({ url: stage.db.url, schema: 'holdfast' });
  for (let times = 0; times < 30; times += 1)
    await announceToken(db, { cluster: 'main', token: randomUUID(), found: written });
  const known = await knownRepository(db, 'main');
  t.is(known?.token, written);
  t.is(known?.pending.length, 20);
  await db.close();
  await stage.expired();
});

test('a use that was killed before or after it had written its token is recognised', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  await stage.expired();
  const announced = '00000000-0000-4000-8000-000000000001';
  const announce = () =>
    stage.superuser.query('update holdfast.cluster set repository_pending = array[$1::uuid]', [announced]);
  await announce();
  await stage.expired();

  await announce();
  const file = join(stage.directory, 'owner.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), token: announced }));
  await stage.expired();
  t.is(
    await stage.superuser.value(`select repository_token::text from holdfast.cluster where name = 'main'`),
    (await ownerIn(stage)).token,
  );
});

test('several workers and expiries of one control database use a repository at the same time', async (t) => {
  const stage = await retentionStage(t);
  const connections = await Promise.all(
    Array.from({ length: 6 }, () => Connection.open({ url: stage.db.url, schema: 'holdfast' })),
  );
  const uses = connections.map((db) => ({
    cluster: 'main',
    clusterDirectory: stage.directory,
    control: <T>(work: (of: Connection) => Promise<T>) => work(db),
  }));
  for (let round = 0; round < 3; round += 1)
    await Promise.all(uses.map((use) => useRepository(use, 'the test')));
  for (const use of uses) t.is(await standing(use), 'ours');
  t.deepEqual(
    await stage.superuser.query(
      `select repository_token::text as token, repository_pending as pending from holdfast.cluster where name = 'main'`,
    ),
    [{ token: (await ownerIn(stage)).token, pending: [] }],
  );
  await Promise.all(connections.map((db) => db.close()));
});

test('an empty directory in place of the repository, or another repository, is refused by both ids, until it is adopted by its id', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  await stage.expired();
  const file = join(stage.directory, 'owner.json');
  const owner = await ownerIn(stage);
  const other = '00000000-0000-4000-8000-000000000002';
  await writeFile(file, JSON.stringify({ ...owner, id: other }));
  const refused = async () => {
    const { stderr } = await stage.expire(['--json']);
    t.regex(stderr, /other_repository/);
    t.true(stderr.includes(other) && stderr.includes(owner.id));
    t.true(stderr.includes(`holdfast adopt --repository-id main=${other}`));
  };
  await refused();
  const shown = await adopt(stage);
  t.true(shown.stdout.includes(`the repository of cluster main (id ${owner.id}) is taken over`));
  await refused();
  const given = await adopt(stage, '--repository-id', `main=${other}`);
  t.true(given.stdout.includes(`the repository of cluster main (id ${other}, from now on) is taken over`));
  await stage.expired();
  const mistaken = await adopt(stage, '--repository-id', `mian=${other}`);
  t.is(mistaken.status, 2);
  t.regex(mistaken.stderr, /cluster "mian" does not exist\n {2}hint: choose one of: main/);

  await rm(file);
  await rm(join(stage.directory, 'cluster.json'));
  const [, unmounted] = [await stage.policy({ keep_last: 3 }), await stage.expire(['--json'])];
  t.regex(unmounted.stderr, /mount the repository|repository_unreadable/);
});

test('a repository that the cluster does not know is refused, whoever has used it, until it is adopted by its id', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  await stage.expired();
  await stage.superuser.query(
    `update holdfast.cluster set repository_id = null, repository_token = null, repository_pending = '{}'`,
  );
  const owner = await ownerIn(stage);
  // As after the cluster and its directory were renamed.
  await writeFile(join(stage.directory, 'owner.json'), JSON.stringify({ ...owner, cluster: 'before' }));
  const renamed = await stage.expire();
  t.regex(renamed.stderr, /is the repository of cluster before of this control database: it was last used/);
  t.true(
    renamed.stderr.includes(`run "holdfast adopt --repository-id main=${owner.id}" if cluster main goes on`),
  );

  await writeFile(join(stage.directory, 'owner.json'), JSON.stringify({ ...owner, controlOrigin: '1/2/3' }));
  t.is((await adopt(stage)).status, 0);
  const theirs = await stage.expire(['--json']);
  t.regex(theirs.stderr, /repository_not_ours.*is the repository of another control database/);
  t.is((await adopt(stage, '--repository-id', `main=${owner.id}`)).status, 0);
  await stage.expired();
  t.is((await ownerIn(stage)).cluster, 'main');
});

test('a repository that was put back from an older copy is said to be that, and used again once it is adopted', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 3 });
  await stage.expired();
  const old = await ownerIn(stage);
  await stage.expired();
  await writeFile(join(stage.directory, 'owner.json'), JSON.stringify(old));
  const { stderr } = await stage.expire(['--json']);
  t.regex(stderr, /repository_put_back.*owner.json\\" is an older copy of that file/);
  t.notRegex(stderr, /has been used by another copy/);
  t.is((await adopt(stage)).status, 0);
  await stage.expired();
});
