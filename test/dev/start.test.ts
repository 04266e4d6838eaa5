// npm start in a checkout with no DATABASE_URL: a server of its own, kept between runs, and one Ctrl-C ends it all.
import { existsSync } from 'node:fs';
import { cp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { root } from '../../dev/root.ts';
import { scratchDirectory } from '../../dev/embedded/cache.ts';
import { backup, untilState } from '../support/backups.ts';
import { runProcess, startProcess, type RunningProcess } from '../../dev/harness/children.ts';
import { eventually } from '../support/eventually.ts';
import { finish, request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

test('npm start says how to connect, serves requests, drains at Ctrl-C, and goes on from there the next time', async (t) => {
  const checkout = await copyOfThis(t);
  const first = await started(t, checkout, 'npm', 'start');
  const client = await connect(t, await saidUrl(first));
  const copied = await request(client, { method: 'copy', fast: true });
  t.regex(String((await untilState(client, copied, 'complete')).backup_label), /^START WAL LOCATION: /);
  const held = await request(client, { fast: true });
  await untilState(client, held, 'running');

  pressCtrlC(first);
  await first.untilLine(/draining/);
  t.is((await backup(client, held)).state, 'running', 'it is held until its client has finished');
  await finish(client, held);
  await endsWell(t, first, checkout);

  // What npm itself ends with is its shell's to say, so this time without it.
  const second = await started(t, checkout, process.execPath, 'dev/start.ts');
  const again = await connect(t, await saidUrl(second));
  const ended = await backup(again, held);
  t.is(ended.state, 'complete', String(ended.error));
  pressCtrlC(second);
  await endsWell(t, second, checkout);
  t.is((await second.exited).status, 0);
});

/** As npm ci leaves it, in a directory where nothing has been started yet. */
async function copyOfThis(t: ExecutionContext): Promise<string> {
  const checkout = await scratchDirectory();
  t.teardown(async () => {
    await untilNothingRuns(checkout);
    await rm(checkout, { recursive: true, force: true });
  });
  for (const name of ['bin', 'dev', 'migrations', 'package.json', 'sql', 'src', 'test/support']) {
    await cp(join(root, name), join(checkout, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'));
  return checkout;
}

/** In a session of its own, as in a terminal. */
async function started(t: ExecutionContext, cwd: string, ...command: string[]): Promise<RunningProcess> {
  const ours = Object.entries(process.env).filter(([name]) => !/^(PG|HOLDFAST_|DATABASE_URL$)/.test(name));
  const running = await startProcess(t, 'setsid', command, { cwd, env: Object.fromEntries(ours) });
  t.teardown(() => signalGroup(running, 'SIGKILL'));
  await running.untilLine(/\bready\b/);
  return running;
}

/** What the line says that is to be typed. */
async function saidUrl(running: RunningProcess): Promise<string> {
  const [, url = ''] = /psql (\S+)/.exec(await running.untilLine(/^ +psql /)) ?? [];
  return url;
}

/** The terminal tells everybody in the foreground: npm, its shell, and what that runs. */
function pressCtrlC(running: RunningProcess): void {
  signalGroup(running, 'SIGINT');
}

function signalGroup({ pid }: RunningProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function endsWell(t: ExecutionContext, running: RunningProcess, checkout: string): Promise<void> {
  const { stdout, stderr } = await running.exited;
  t.regex(stdout, /PostgreSQL is stopped; its data stays in .*\.holdfast\n/, stderr);
  t.regex(stderr, /\bstopped\n$/, 'the worker was asked to end, and did');
  t.true(existsSync(join(checkout, '.holdfast/data/PG_VERSION')));
  await untilNothingRuns(checkout);
}

function untilNothingRuns(checkout: string): Promise<boolean> {
  return eventually('nothing of it runs any more', async () => {
    const { stdout } = await runProcess('ps', ['-eo', 'args']);
    return !stdout.includes(checkout);
  });
}
