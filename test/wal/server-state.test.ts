import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { serverRuns } from '../../src/wal/server-state.ts';
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
