// Pre-script, copy, post-script, label, place, with a real worker: as a backup program would drive it.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import anyTest, { type ExecutionContext } from 'ava';
import { createCluster } from '../../dev/embedded/cluster.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { noServerFiles, type TestCluster } from '../support/cluster.ts';
import { holdfast } from '../support/process.ts';
import { scene, sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const run = promisify(execFile);
const fileTest = testWhen(noServerFiles);

async function done(
  t: ExecutionContext,
  it: Scene,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const { status, stdout, stderr } = await holdfast(args, { url: it.client.url, env });
  t.is(status, 0, stderr);
  return stdout;
}

anyTest(
  'start returns when it is safe to copy, stop with the label, and label writes the same bytes',
  async (t) => {
    const it = await scene(t);
    const { labels } = await it.startWorker();
    const started = JSON.parse(await done(t, it, ['start', 'nightly', '--fast', '--json'])) as {
      id: number;
      start_lsn: string;
    };
    const id = String(started.id);
    t.like(await it.row(id), { state: 'running', start_lsn: started.start_lsn });

    const stopped = await done(t, it, ['stop', 'nightly']);
    const row = await it.row(id);
    t.is(row.state, 'complete');
    t.true(stopped.startsWith(`backup ${id} of cluster main is complete\nLSN ${started.start_lsn} to `));
    t.true(stopped.includes(`\nbackup_label:\n${row.backup_label}\nno tablespace_map`));

    const to = join(await temporaryDirectory(t), 'label');
    t.is(
      await done(t, it, ['stop', '--id', id, '--to', to]).then((out) => out.split('\n')[2]),
      `written: ${to}/backup_label`,
    );
    t.is(row.backup_label, await readFile(join(to, 'backup_label'), 'utf8'));
    t.deepEqual(await readdir(to), ['backup_label']);

    const fromDirectory = join(await temporaryDirectory(t), 'label');
    const said = await done(t, it, ['label', id, '--to', fromDirectory, '--from-labels', labels]);
    t.regex(
      said,
      new RegExp(`^backup ${id} "nightly" of cluster main, from ${labels}/main/\\d{8}T\\d{6}Z-${id}\n`),
    );
    t.is(row.backup_label, await readFile(join(fromDirectory, 'backup_label'), 'utf8'));
    t.regex(await done(t, it, ['label', id, '--to', fromDirectory]), /, from the control database\n/);
  },
);

anyTest('stop --json has label and WAL range, and the files that it wrote', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  await done(t, it, ['start', 'nightly', '--fast']);
  const to = join(await temporaryDirectory(t), 'label');
  const stopped = JSON.parse(await done(t, it, ['stop', 'nightly', '--to', to, '--json'])) as Record<
    string,
    unknown
  >;
  const row = await it.row(String(stopped['id']));
  t.like(stopped, {
    label: 'nightly',
    state: 'complete',
    start_wal: row.start_wal,
    backup_label: row.backup_label,
    tablespace_map: null,
  });
  t.deepEqual(stopped['files'], [join(to, 'backup_label')]);
});

anyTest('a label that cannot be written is still in the database, and stop says how to get it', async (t) => {
  const it = await scene(t);
  await it.startWorker();
  const to = await temporaryDirectory(t);
  await done(t, it, ['start', 'first', '--fast']);
  await done(t, it, ['stop', 'first', '--to', to]);
  await done(t, it, ['start', 'second', '--fast']);
  const { status, stderr } = await holdfast(['stop', 'second', '--to', to], { url: it.client.url });
  t.is(status, 1);
  const [, id] =
    /^holdfast: backup (\d+) is complete, but its label is not written: .* exists already and is different\n/.exec(
      stderr,
    ) ?? [];
  t.regex(stderr, new RegExp(`hint: write it to another directory: "holdfast label ${id} --to DIR"`));
  await done(t, it, ['label', String(id), '--to', join(to, 'second')]);
});

fileTest(
  'a copy made between start and stop, with its label placed, is a working server with all that was committed',
  async (t) => {
    const it = await sceneOfItsOwn(t);
    const { labels } = await it.startWorker();
    await it.admin.query('create table ledger as select n from generate_series(1, 1000) n');
    const { id } = JSON.parse(await done(t, it, ['start', '--fast', '--json'])) as { id: number };
    await it.admin.query('insert into ledger select n from generate_series(1001, 2000) n');
    const restored = await createCluster({ empty: true, version: it.db.cluster.version as 18 });
    t.teardown(() => restored.remove());
    await copy(it.db.cluster, restored.dataDirectory);
    await it.admin.query('insert into ledger select n from generate_series(2001, 3000) n');
    await done(t, it, ['stop', '--id', String(id)]);

    const place = ['place', String(id), '--data-directory', restored.dataDirectory];
    // The port is the first free one.
    const saidBy = async (args: string[]) => (await done(t, it, args)).replace(/-p \d+/, '-p N');
    const said = await saidBy(place);
    t.regex(said, /^in place: .*backup_label\nremoved: .*postmaster.pid/);
    t.regex(said, /pg_ctl start -D .* "-p N -c data_directory=\S+ -c external_pid_file=external.pid /);
    // The database may be what was lost.
    const [entry = ''] = await readdir(join(labels, 'main'));
    for (const args of [
      [...place, '--from-labels', labels],
      ['place', join(labels, 'main', entry), '--data-directory', restored.dataDirectory],
    ]) {
      t.is(await saidBy(args), said.replace(/removed: .*\n/, ''));
    }
    await asServerUser.writeFile(join(restored.dataDirectory, 'recovery.signal'), '');
    await restored.appendSettings({
      restore_command: `cp "${it.db.cluster.archiveDirectory}/%f" "%p"`,
      archive_mode: 'off',
    });
    await restored.start();
    const client = await connect(t, restored.url({ database: it.db.name }));
    t.deepEqual(await client.query('select count(*)::int, sum(n)::int from ledger'), [
      { count: 3000, sum: 4_501_500 },
    ]);

    const again = await holdfast(place, { url: it.client.url });
    t.is(again.status, 1);
    t.regex(again.stderr, /^holdfast: a server is running on /);
  },
);

/** As the manual allows: everything, while the server goes on; files may vanish, and WAL comes from the archive. */
async function copy(cluster: TestCluster, to: string): Promise<void> {
  const script = `tar -C "$0" --exclude './pg_wal/*' --warning=no-file-changed --warning=no-file-removed -cf - . | tar -C "$1" -xf -`;
  await run('sh', ['-c', script, cluster.dataDirectory ?? '', to]);
}
