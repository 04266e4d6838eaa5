// Off-site sync by a worker in trouble: a full disk on the other side, a program that will not end, hours of failures.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { untilGone } from '../../dev/embedded/processes.ts';
import { noChores, untilChore } from '../support/chores.ts';
import { eventually, eventuallyRow } from '../support/eventually.ts';
import { scene } from '../support/scene.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { syncCommand, syncScene } from '../support/sync-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';
import { sameBytes } from '../support/same-bytes.ts';

const test = testWhen(noChores);

testWhen(noChores, noSmallDisk)(
  'a full disk on the other side is said, and after there is room the same state is sent whole',
  async (t) => {
    const offsite = await syncScene(t);
    for (const n of [1, 2, 3]) await offsite.archive(n);
    const disk = await smallDisk(t, '64k', offsite.destination);
    const it = await scene(t);
    await it.startWorker({ env: offsite.env });
    const failing = await eventuallyRow<{ id: string; error: string }>(
      it.admin,
      `select * from holdfast.backup_chore where state = 'retrying' and attempts >= 2`,
    );
    t.like(failing, { kind: 'sync', error_code: 'sync_failed', finished_at: null });
    t.regex(failing.error, /ended with 1: .*No space left on device/);

    await disk.resize('16m');
    const done = await untilChore(it.admin, failing.id, 'complete');
    t.like(done, { error: null, next_attempt_at: null });
    const runs = await offsite.runs();
    t.is(new Set(runs.map(({ backup, present }) => `${backup} ${present}`)).size, 1);
    t.is(done.result?.['present'], runs[0]?.present);
    const sent = await offsite.remote();
    t.is(sent.length, 4);
    for (const file of sent)
      sameBytes(
        t,
        await readFile(join(offsite.destination, file)),
        await readFile(join(offsite.directory, file)),
        file,
      );
  },
);

for (const [what, trap] of [
  ['a program that hangs and ignores signals', `trap '' TERM\nsleep 1000 &`],
  ['a program that leaves a child which ignores signals', `(trap '' TERM; exec sleep 1000) &`],
] as const) {
  test(`${what} is ended with its children when its time is up`, async (t) => {
    const offsite = await syncScene(t);
    await offsite.archive(1);
    const place = await temporaryDirectory(t);
    const program = join(place, 'hang');
    const lines = ['#!/bin/sh', trap, `echo $! $$ > "${place}/pids"`, 'sleep 1000', ''];
    await writeFile(program, lines.join('\n'), { mode: 0o755 });
    const it = await scene(t);
    const env = { ...offsite.env, ...syncCommand([program]), HOLDFAST_CLUSTER_MAIN_SYNC_TIMEOUT: '1s' };
    const worker = await it.startWorker({ env });
    const text = await eventually('it runs', () =>
      readFile(join(place, 'pids'), 'utf8').catch(() => undefined),
    );
    const failing = await eventuallyRow<{ error: string; error_code: string }>(
      it.admin,
      `select * from holdfast.backup_chore where state = 'retrying'`,
      [],
      { within: 60_000 },
    );
    worker.kill('SIGTERM');
    t.is(failing.error_code, 'sync_timeout');
    t.regex(failing.error, /took longer than 1 s/);
    await untilGone(text.trim().split(' ').map(Number));
  });
}

test('after many failures the pauses between attempts are minutes, and ten at most', async (t) => {
  const offsite = await syncScene(t);
  await offsite.archive(1);
  await offsite.tell('fail');
  const it = await scene(t);
  await it.startWorker({ env: offsite.env });
  const pauseAfter = async (attempts: number) => {
    const { pause } = await eventuallyRow<{ pause: number }>(
      it.admin,
      `select extract(epoch from next_attempt_at - started_at)::float8 pause
       from holdfast.backup_chore where state = 'retrying' and attempts = $1`,
      [attempts],
    );
    return pause;
  };
  t.true((await pauseAfter(1)) < 10);
  // As if it had failed for an hour.
  await it.admin.query('update holdfast_boss.job set retry_count = 14');
  const pause = await pauseAfter(2);
  t.true(pause > 100 && pause <= 605, String(pause));
});
