// Production is restored on the same host, and a worker of the copy is started on production's repository: with its
// schedules, its requests and its right to expire. Nothing of that happens until somebody adopts the copy.
import { join } from 'node:path';
import { asRole } from '../support/installed-database.ts';
import { noChores } from '../support/chores.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { request } from '../support/requests.ts';
import { noRestore } from '../support/restored-copy.ts';
import { namesIn } from '../../src/repository/repository-backup.ts';
import { insertSchedule, runsOf, untilRun } from '../support/schedules.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore, noChores);

test('a restored server rests beside production until it is adopted, and then production rests', async (t) => {
  const scene = await repositoryScene(t);
  const { repository, directory, admin } = scene;
  const operator = await asRole(t, scene.db, 'operator');
  for (const [name, kind] of [
    ['expires', 'expire'],
    ['copies', 'backup'],
  ] as const)
    await insertSchedule(operator, '0 0 29 2 *', { name, kind, method: 'copy' });
  await operator.query(`insert into holdfast.retention_policy (cluster, keep_last) values ('main', 1)`);
  await scene.backup();
  await scene.backup();
  // The copy knows of both: what a control database does not know counts for nothing.
  await scene.archiveAll();
  const stored = () => namesIn(join(directory, 'backups'));
  const before = await stored();
  const restored = await scene.started('--no-archiving');

  const url = restored.cluster.url({ database: scene.db.name });
  await restored.client.query(`update holdfast.backup_schedule set cron = '* * * * * *'`);
  t.regex(
    String(restored.client.notices.at(-1)?.message),
    /^schedule "copies" rests: this control database is a /,
  );
  const asked = await request(restored.client, { method: 'copy', fast: true });
  const worker = await scene.startWorker({
    url: restored.cluster.url({ database: scene.db.name, user: scene.workerLogin.role }),
    env: { HOLDFAST_REPOSITORY: repository },
  });
  await worker.untilLine(/rests: this control database is a restored copy/);
  const waiting = `select waiting_for from holdfast.backup_status where id = $1`;
  t.regex(await restored.client.value<string>(waiting, [asked]), /adopt/);
  const expiry = await holdfast(['expire', '--repository', repository], { url });
  t.is(expiry.status, 1);
  t.regex(expiry.stderr, /adopt/);
  t.regex((await holdfast(['check'], { url })).stdout, /adopt/);
  const unasked = await holdfast(['adopt'], { url });
  t.is(unasked.status, 2);
  t.regex(unasked.stdout, /schedule expires runs: expire of cluster main, next at /);
  t.regex(unasked.stdout, /backups of cluster main expire by its retention policy/);
  t.regex(
    unasked.stderr,
    /there is no terminal to ask whether to adopt this control database\n {2}hint: run "holdfast adopt --yes"/,
  );
  const asJson = await holdfast(['adopt', '--json'], { url });
  t.is(asJson.status, 2);
  t.like(JSON.parse(asJson.stdout), { adopted: null, policies: ['main'] });
  t.is(JSON.parse(asJson.stderr).error.code, 'not_confirmed');
  for (const name of ['expires', 'copies']) t.deepEqual(await runsOf(restored.client, name), [], name);
  t.deepEqual(await stored(), before);

  t.is((await holdfast(['adopt', '--yes'], { url })).status, 0);
  await untilRun(restored.client, 'complete', { name: 'expires', within: 60_000 });
  // The first run may come while something is being read; there is one each second.
  await eventually(
    'the older backup has expired',
    async () => !(await stored()).includes(String(before[0])),
    {
      within: 60_000,
    },
  );
  await restored.client.query('update holdfast.backup_schedule set enabled = false');
  // What production's worker finds within ten seconds.
  const noticed = () =>
    admin.value<boolean>(
      `select coalesce(repository_problem ~ 'another copy of this control database', false) from holdfast.cluster`,
    );
  await eventually('production notices', noticed, { within: 60_000 });
  const critical = await holdfast(['check'], { url: scene.workerLogin.url });
  t.is(critical.status, 2);
  t.regex(critical.stdout, /another copy of this control database/);
  t.regex(critical.stdout, /holdfast adopt/);
  const late = await request(scene.client, { method: 'copy', fast: true });
  t.regex((await scene.untilState(late, 'failed')).error ?? '', /another copy of this control database/);
  t.is(await admin.value(`select count(*)::int from holdfast.backup_schedule_run`), 0);
});
