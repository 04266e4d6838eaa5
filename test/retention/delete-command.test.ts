// The program that removes copies which are not in the repository: how it ends, and what it is told.
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ListedCandidate } from '../../src/retention/expiry-candidates.ts';
import { runDeleteCommand } from '../../src/retention/delete-command.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const backup: ListedCandidate = {
  name: '20261121T120000Z-7',
  id: 7,
  request: 7,
  mayBe: null,
  label: 'nightly',
  requester: 'role somebody',
  method: 'hold',
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  startLsn: 1n,
  startText: '0/1',
  stopLsn: 2n,
  startWal: '000000010000000000000001',
  stopWal: '000000010000000000000001',
  startedAt: new Date(0),
  stoppedAt: new Date(1),
  stoppedText: new Date(1).toISOString(),
  isSound: true,
  held: [],
  isRead: false,
  isBegun: false,
};

const run = (script: string, signal = new AbortController().signal) =>
  runDeleteCommand(['sh', '-c', script], 'main', backup, signal);

/** Shell that leaves a process behind which has its output open, and the file that has its pid. */
async function leaving(t: ExecutionContext): Promise<{ leave: string; pidFile: string }> {
  t.timeout(30_000);
  const pidFile = join(await temporaryDirectory(t), 'pid');
  t.teardown(async () => process.kill(Number(await readFile(pidFile, 'utf8'))));
  return { leave: `setsid sh -c 'echo $$ > ${pidFile}; exec sleep 600' &`, pidFile };
}

test('what the program leaves running holds up nobody, and what it said is told', async (t) => {
  const { leave, pidFile } = await leaving(t);
  const waits = `while [ ! -s ${pidFile} ]; do sleep 0.05; done`;
  await t.throwsAsync(run(`${leave} ${waits}; echo the array is busy >&2; exit 3`), {
    message: /it ended with 3: the array is busy$/,
  });
});

test('neither is a worker held up that stops meanwhile', async (t) => {
  const { leave, pidFile } = await leaving(t);
  const stopping = new AbortController();
  const running = run(`${leave} sleep 600`, stopping.signal);
  await eventually('something is left', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '');
  stopping.abort();
  await t.throwsAsync(running, { message: /it ended with SIGKILL$/ });
});

test('it is told of the backup, and nothing of how the databases are reached', async (t) => {
  const file = join(await temporaryDirectory(t), 'env');
  const secrets = ['DATABASE_URL', 'PGPASSWORD', 'HOLDFAST_CLUSTER_MAIN_URL'];
  for (const name of secrets) process.env[name] = 'secret';
  await run(`env > '${file}'`);
  for (const name of secrets) delete process.env[name];
  const told = await readFile(file, 'utf8');
  t.false(told.includes('secret'));
  t.regex(told, /^HOLDFAST_EXPIRED_LABEL=nightly$/m);
  t.regex(told, /^PATH=/m);
});
