// A part of a data directory that the worker may not read.
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { noCopies } from '../support/copies.ts';
import { request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';
import { archivingServer, noArchivingServer, startArchivingWorker } from '../support/wal.ts';

/** With a worker that is the server's user, to whom something is closed. */
async function closedScene(t: ExecutionContext) {
  const server = await archivingServer(t);
  const it = await scene(t, server.cluster);
  await startArchivingWorker(t, server, it.workerLogin.url);
  const data = String(server.cluster.dataDirectory);
  const copy = async () => it.untilState(await request(it.client, { method: 'copy', fast: true }), 'failed');
  return { data, copy };
}

testWhen(noCopies, noArchivingServer).serial(
  'a file, a directory and the target of a link that cannot be read fail the copy by name, before it is running',
  async (t) => {
    const { data, copy } = await closedScene(t);
    const directory = join(data, 'base', 'closed');
    const file = join(data, 'closed.conf');
    await mkdir(directory);
    await chmod(directory, 0o000);
    const first = await copy();
    t.is(first.error_code, 'copy_unreadable');
    t.regex(String(first.error), new RegExp(`^cannot read "${directory}": EACCES`));
    t.is(first.start_lsn, null);
    await rm(directory, { recursive: true });

    await writeFile(file, '', { mode: 0o000 });
    const second = await copy();
    t.is(second.error_code, 'copy_unreadable');
    t.regex(String(second.error), new RegExp(`^cannot read "${file}": EACCES`));
    t.is(second.start_lsn, null);
    await rm(file);

    const link = join(data, 'log');
    await mkdir(`${data}.closed`, { mode: 0o000 });
    await symlink(`${data}.closed`, link);
    const third = await copy();
    t.is(third.error_code, 'copy_unreadable');
    t.true(
      String(third.error).startsWith(`cannot read "${link}" -> "${data}.closed": EACCES`),
      String(third.error),
    );
    t.is(third.start_lsn, null);
  },
);
