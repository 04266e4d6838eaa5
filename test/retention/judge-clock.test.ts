// Expiry where the clock has leapt 400 days ahead: a repository whose newest file is an hour old looks so to it.
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { noChores, requestChore, untilChore } from '../support/chores.ts';
import { asRole } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { retentionStage } from '../support/retention-stage.ts';
import { testWhen } from '../support/test-when.ts';

const test = ava.serial;

test('a clock that is 400 days ahead removes nothing, until somebody says that it is right', async (t) => {
  const stage = await retentionStage(t, { daysAgo: 400 });
  const { operator, db, directory, names } = stage;
  const file = join(directory, 'clock.json');
  const untouched = async () => [(await stage.listed()).length, (await stage.segments()).length];
  await stage.policy({ keep_last: 2 });
  t.is((await stage.expired(['--dry-run'])).goes.length, 2, 'a policy that only counts asks no clock');

  await stage.policy({ keep_within: '30 days', recovery_window: '14 days' });
  // A worker that was started since has its sign of life, and everything else in the database, from the same clock.
  const { url } = await asRole(t, db, 'worker');
  const worker = await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: stage.repository } });
  await worker.untilLine(/does not take the time of the clock for the present/);
  for (const args of [[], ['--dry-run']]) {
    const { status, stderr } = await stage.expire(args);
    t.is(status, 1);
    t.regex(
      stderr,
      /the clock may be ahead: it says 20\S+Z, and nothing is dated between 20\S+Z \(the end of/,
    );
    t.regex(stderr, /run "holdfast expire --cluster main --clock-is-right" once/);
    t.true(stderr.includes(`the end of backup ${names[3]}`), stderr);
  }
  if (noChores === undefined) {
    const chore = await untilChore(operator, await requestChore(operator, 'expire'), 'retrying');
    t.is(chore.error_code, 'clock_ahead');
  }
  // The clock was further ahead once, and somebody said that it was right.
  await writeFile(file, JSON.stringify({ version: 1, accepted: new Date(Date.now() + 86_400_000) }));
  const again = await stage.expire(['--dry-run']);
  t.is(again.status, 1);
  t.regex(again.stderr, /\); 20\S+Z, which was accepted .* in the future and counts for nothing/);
  await rm(file);
  t.deepEqual(await untouched(), [8, 8]);
  t.is((await stage.expired(['--dry-run', '--clock-is-right'])).goes.length, 3);
  t.false(existsSync(file), 'nobody has accepted that time');

  worker.kill('SIGTERM');
  await worker.exited;
  t.is((await stage.expired(['--clock-is-right'])).goes.length, 3);
  t.deepEqual(await untouched(), [2, 2]);
  const { accepted } = JSON.parse(await readFile(file, 'utf8')) as { accepted: string };
  t.true(Math.abs(Date.now() - Date.parse(accepted)) < 60_000);
  t.is((await stage.expire()).status, 0, 'once is enough');

  await writeFile(file, '{');
  const damaged = await stage.expire();
  t.regex(damaged.stderr, /clock\.json" is damaged/);
  await stage.expired(['--clock-is-right']);
  t.is((await stage.expire()).status, 0);
});

testWhen(noChores).serial(
  'a worker notes the time, so that a cluster that has long been idle still expires',
  async (t) => {
    const stage = await retentionStage(t, { daysAgo: 60 });
    await stage.policy({ keep_within: '8 days', recovery_window: '8 days' });
    const { url } = await asRole(t, stage.db, 'worker');
    const file = join(stage.directory, 'clock.json');
    const dayAgo = new Date(Date.now() - 86_400_000).toISOString();
    await writeFile(file, JSON.stringify({ version: 1, accepted: dayAgo }));
    const worker = await startWorkerProcess(t, { url, env: { HOLDFAST_REPOSITORY: stage.repository } });
    const chore = await requestChore(stage.operator, 'expire');
    t.like((await untilChore(stage.operator, chore, 'complete')).result, { stays: 1 });
    worker.kill('SIGTERM');
    await worker.exited;
    t.not(JSON.parse(await readFile(file, 'utf8')).accepted, dayAgo);
  },
);
