// "holdfast wait": what a service manager runs when PostgreSQL has stopped, so that its last WAL is off-site, too.
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { holdfast, startHoldfast } from '../support/process.ts';
import { syncScene, untilRunning } from '../support/sync-scene.ts';

test('wait returns at once when nothing is unsent', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.sync();
  const { status, stdout } = await holdfast(['wait', '120'], { env: scene.env });
  t.is(status, 0);
  t.is(stdout, 'main: nothing was unsent\n');
  t.is((await scene.runs()).length, 1);
});

test('wait waits for whoever is sending, and sends what came meanwhile itself', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.tell('wait');
  const syncing = await scene.startSync();
  await untilRunning(scene, 1);
  const waiting = await startHoldfast(t, ['wait', '120'], { env: scene.env });
  await scene.archive(2);
  await scene.untell('wait');
  t.is((await waiting.exited).status, 0);
  t.is((await syncing.exited).status, 0);
  t.is((await scene.remote()).length, 3);
});

test('wait exits with 3 when the time is up, and with 1 when sending fails', async (t) => {
  const scene = await syncScene(t);
  await scene.archive(1);
  await scene.tell('wait');
  const late = await holdfast(['wait', '2'], { env: scene.env });
  t.is(late.status, 3, late.stderr);
  t.regex(late.stderr, /not everything was sent within 2 s\n {2}hint: /);
  await scene.untell('wait');
  await scene.tell('fail');
  const failed = await holdfast(['wait', '60'], { env: scene.env });
  t.is(failed.status, 1);
  t.regex(failed.stderr, /ended with 7: the other side is away/);
  await scene.untell('fail');
  t.is((await holdfast(['wait', '60', '--json'], { env: scene.env })).status, 0);
});

test('without a sync_command, and with a time that is none, the error says what to write', async (t) => {
  const nothing = await holdfast(['wait'], { env: {} });
  t.is(nothing.status, 2);
  t.regex(nothing.stderr, /no cluster has a sync_command\n {2}hint: set it in the configuration/);
  const soon = await holdfast(['wait', 'soon'], { env: {} });
  t.is(soon.status, 2);
  t.regex(soon.stderr, /number of seconds/);
});

test('the unit of the examples waits after PostgreSQL has stopped', async (t) => {
  const unit = await readFile(
    new URL('../../examples/systemd/postgresql-offsite.conf', import.meta.url),
    'utf8',
  );
  const command = /^ExecStopPost=-?\S*holdfast (wait \d+)$/m.exec(unit)?.[1];
  t.is(command, 'wait 120');
  t.true(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) > 120);
  const scene = await syncScene(t);
  await scene.archive(1);
  const { status, stderr } = await holdfast(String(command).split(' '), { env: scene.env });
  t.is(status, 0, stderr);
  t.is((await scene.runs()).length, 1);
});
