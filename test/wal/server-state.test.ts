import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { startProcess } from '../../dev/harness/children.ts';
import { serverRuns } from '../../src/wal/server-state.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { standInFor } from '../support/wal.ts';

test('a server that was killed does not run where another process has its pid, be it another user’s', async (t) => {
  const directory = await temporaryDirectory(t);
  await standInFor(t, directory);
  t.true(await serverRuns(directory));
  // Root may send signals to every process, and not look at the working directory of each.
  for (const pid of process.getuid?.() === 0 ? [process.pid] : [process.pid, 1]) {
    await writeFile(join(directory, 'postmaster.pid'), `${pid}\n${directory}\n1\n5432\n\n*\n1 1\nready\n`);
    t.false(await serverRuns(directory), String(pid));
  }
});

test('nor does one that was killed, and whose parent, as in many a container, never asks how it ended', async (t) => {
  const directory = await temporaryDirectory(t);
  const postmaster = join(directory, 'postmaster.pid');
  const script = 'sleep 600 & echo $! > postmaster.pid; exec sleep 600';
  const parent = await startProcess(t, 'sh', ['-c', script], { cwd: directory });
  await eventually('its parent is no shell any more', async () =>
    /sleep/.test(await readFile(`/proc/${parent.pid}/comm`, 'utf8')),
  );
  const pid = Number(await readFile(postmaster, 'utf8'));
  process.kill(pid, 'SIGKILL');
  await eventually('it has ended', async () => / Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8')));
  t.false(await serverRuns(directory));
});
