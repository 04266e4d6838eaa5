// Off-site sync of a real server's backup and WAL by its worker, and of the last segments after it was shut down.
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { archivedPath } from '../../src/repository/wal-archive.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { noChores } from '../support/chores.ts';
import { eventually } from '../support/eventually.ts';
import { holdfast } from '../support/process.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { noRestore } from '../support/restored-copy.ts';
import { newSender, syncCommand } from '../support/sync-scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore, noChores);

/** The command of the unit in the examples. */
async function execStopPost(): Promise<string[]> {
  const unit = await readFile(
    new URL('../../examples/systemd/postgresql-offsite.conf', import.meta.url),
    'utf8',
  );
  const [, command = ''] = /^ExecStopPost=-?\S*holdfast (.*)$/m.exec(unit) ?? [];
  return command.split(' ');
}

test('a backup arrives whole with its WAL, and the last segments when the server has been shut down', async (t) => {
  const sender = await newSender(t);
  const scene = await repositoryScene(t, { env: syncCommand(sender.command) });
  const { admin, archiveAll, backup, cluster, directory, repository, worker } = scene;
  const env = { HOLDFAST_REPOSITORY: repository, ...syncCommand(sender.command) };
  const { directory: made, meta, description } = await backup();
  await archiveAll();
  await eventually('the worker has sent the backup', async () =>
    (await sender.runs()).some(({ backup: of, ended }) => ended && of !== 'none'),
  );
  const waited = await holdfast(['wait', '60'], { env });
  t.is(waited.status, 0, waited.stderr);
  const sent = (path: string) => join(sender.destination, path.slice(directory.length + 1));
  for (const path of [made, meta, archivedPath(directory, description.startWal)]) {
    const { status, stdout } = await runProcess('diff', ['-r', path, sent(path)]);
    t.is(status, 0, stdout);
  }

  worker.kill('SIGKILL');
  await worker.exited;
  await admin.query('create table last (n int)');
  const last = await admin.value<string>('select pg_walfile_name(pg_current_wal_insert_lsn())');
  const before = await sender.remote();
  t.false(before.some((file) => file.includes(last)));
  await cluster.stop('fast');
  const stopped = await holdfast(await execStopPost(), { env });
  t.is(stopped.status, 0, stopped.stderr);
  const { status, stdout } = await runProcess('cmp', [
    archivedPath(directory, last),
    sent(archivedPath(directory, last)),
  ]);
  t.is(status, 0, stdout);
  t.is((await holdfast(['sync'], { env })).stdout, 'main: nothing was unsent\n');
  await cluster.start();
});
