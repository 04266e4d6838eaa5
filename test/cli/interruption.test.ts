import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startProcess } from '../../dev/harness/children.ts';
import { echoIsOver } from '../support/moments.ts';

const program = fileURLToPath(new URL('../support/uninterrupted.ts', import.meta.url));

test('the first signal is passed on, a second one ends the program at once', async (t) => {
  const running = await startProcess(t, process.execPath, [program]);
  await running.untilLine(/ready/);
  running.kill('SIGINT');
  await running.untilLine(/told/);
  await echoIsOver();
  running.kill('SIGINT');
  t.like(await running.exited, { status: null, signal: 'SIGTERM' });
});
