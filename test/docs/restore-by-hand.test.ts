import { rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { debianMajors } from '../../dev/debian/program-sets.ts';
import { createCluster, type EmbeddedCluster, type Major } from '../../dev/embedded/cluster.ts';
import { freePort } from '../../dev/embedded/ports.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { runProcess, type Teardown } from '../../dev/harness/children.ts';
import { noCopies } from '../support/copies.ts';
import { eventually } from '../support/eventually.ts';
import { installInto } from '../../dev/harness/install-into.ts';
import { psqlPath } from '../../dev/harness/psql-path.ts';
import { noPsql } from '../support/psql.ts';
import { repositoryScene } from '../support/repository-scene.ts';
import { startWorkerProcess } from '../support/process.ts';
import { shared } from '../support/shared.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { blocks } from './pages.ts';

testWhen(noPsql)('the commands of docs/restore-by-hand.md, in order, restore a server', async (t) => {
  const cluster = await createCluster();
  t.teardown(() => cluster.remove());
  await cluster.start();
  const before = await connect(t, cluster.url());
  const disk2 = join(cluster.directory, 'disks', 'disk2');
  for (const directory of [dirname(disk2), disk2]) await cluster.asServerUser.mkdir(directory);
  await before.query(`create tablespace disk2 location '${disk2}'`);
  await before.query('create table kept as select n from generate_series(1, 1000) n');
  await before.query('create table far tablespace disk2 as select n from generate_series(1, 2000) n');
  await installInto(cluster.url());
  await startWorkerProcess(t, { url: cluster.url() });

  const port = await freePort();
  const restored = join(cluster.directory, 'restored', 'data');
  const stop = () =>
    cluster.asServerUser.run(cluster.bin('pg_ctl'), ['stop', '-D', restored, '-m', 'immediate']);
  t.teardown(() => stop().then(undefined, () => undefined));
  await cluster.asServerUser.mkdir(join(cluster.directory, 'restored'));
  await cluster.asServerUser.mkdir(join(cluster.directory, 'backup'));
  await runPage(cluster, restored, port);

  const after = await connect(t, cluster.url().replace(`:${cluster.port}/`, `:${port}/`));
  t.is(await after.value('select sum(n)::int from kept'), 500_500);
  t.is(await after.value('select sum(n)::int from far'), 2_001_000);
  t.is(
    await after.value(`select pg_tablespace_location(oid) from pg_tablespace where spcname = 'disk2'`),
    `${disk2}-restored`,
  );
});

const sharedBackup = shared(import.meta.url, (t) => backedUp(t));

const alone = { title: 'alone', marks: /^repository (extract|step)$/, rows: 1000 };
const withArchive = { title: 'and its archive', marks: /^repository/, rows: 2000 };
const chains = debianMajors.map((version) => ({
  version,
  title: `of ${version} with its chain`,
  marks: /^(chain|repository step)$/,
  rows: 1000,
}));

for (const { version, title, marks, rows } of [alone, withArchive, ...chains].map((one) => ({
  version: undefined,
  ...one,
}))) {
  const missing = version && noTool(version, 'pg_combinebackup');
  testWhen(noCopies, missing).serial(
    `the commands of docs/restore-by-hand.md restore a backup from the repository, ${title}`,
    async (t) => {
      const { scene, disk2, directory, changed } = await (version === undefined
        ? sharedBackup()
        : backedUp(t, version));
      const { cluster, db } = scene;
      t.teardown(() => rm(`${disk2}-restored`, { recursive: true, force: true }));
      const restored = await createCluster({ version: cluster.version as Major, empty: true });
      t.teardown(() => restored.remove());
      const port = await freePort();
      const target = join(await restored.makeDirectory('by-hand'), 'restored');
      const stop = ['stop', '-D', target, '-m', 'immediate'];
      t.teardown(() => asServerUser.run(restored.bin('pg_ctl'), stop).then(undefined, () => undefined));
      await runBlocks(restored, marks, {
        BACKUP: title === withArchive.title ? join(scene.directory, 'latest') : directory,
        ARCHIVE: join(scene.directory, 'wal'),
        RESTORED: target,
        PLACE: await restored.makeDirectory('chain'),
        PORT: String(port),
      });
      const client = await connect(
        t,
        restored.url({ database: db.name }).replace(`:${restored.port}/`, `:${port}/`),
      );
      await eventually('it is a primary', () => client.value('select not pg_is_in_recovery()'));
      t.is(await client.value('select count(*)::int from far'), rows);
      t.is(await client.value('select count(*)::int from far where n < 0'), changed);
    },
  );
}

/** With a tablespace, 1000 rows in the backup, and 1000 more in the archive; with a version, a chain that changed some. */
async function backedUp(t: Teardown, version?: Major) {
  const options = version === undefined ? {} : { version, settings: { summarize_wal: 'on' } };
  const scene = await repositoryScene(t, options);
  const { admin, cluster } = scene;
  await cluster.serverDirectory('disks');
  const disk2 = await cluster.serverDirectory('disks/disk2');
  await admin.query(`create tablespace disk2 location '${disk2}'`);
  await admin.query('create table far tablespace disk2 as select n from generate_series(1, 1000) n');
  let { directory } = await scene.backup();
  let changed = 0;
  if (version !== undefined) {
    for (changed of [1, 2]) {
      await admin.query(`update far set n = -n where n = ${changed}`);
      ({ directory } = await scene.backup({ incremental: true }));
    }
  }
  await admin.query('insert into far select generate_series(1001, 2000)');
  await scene.archiveAll();
  // The worker is root here, and the page's commands run as the server's user.
  await runProcess('chown', ['-R', `--reference=${scene.repository}`, scene.directory]);
  return { scene, disk2, directory, changed };
}

async function runBlocks(
  cluster: EmbeddedCluster,
  marks: RegExp,
  settings: NodeJS.ProcessEnv,
): Promise<void> {
  const steps = blocks('docs/restore-by-hand.md').filter(({ mark }) => marks.test(mark));
  const file = join(cluster.directory, 'page.sh');
  await asServerUser.writeFile(file, ['set -eu', ...steps.map(({ text }) => text)].join('\n'));
  const tools = toolsOf(cluster.version, 'pg_combinebackup') ?? '';
  const path = [dirname(cluster.bin('pg_ctl')), tools, process.env['PATH']].join(delimiter);
  await asServerUser.run('/bin/sh', [file], { env: { ...settings, PATH: path } });
}

async function runPage(cluster: EmbeddedCluster, restored: string, port: number): Promise<void> {
  const steps = blocks('docs/restore-by-hand.md').filter(({ mark }) => mark === 'step');
  const script = ['set -eu', ...steps.map(({ text }) => text)].join('\n');
  const settings = {
    DATA: cluster.dataDirectory,
    ARCHIVE: cluster.archiveDirectory,
    COPY: join(cluster.directory, 'backup', 'nightly'),
    RESTORED: restored,
    PORT: String(port),
  };
  const file = join(cluster.directory, 'page.sh');
  await cluster.asServerUser.writeFile(file, script);
  await cluster.asServerUser.run('/bin/sh', [file], {
    env: {
      ...settings,
      // psql's neighbours are of another version: the server's own programs come first.
      PATH: [dirname(cluster.bin('pg_ctl')), dirname(psqlPath ?? ''), process.env['PATH']].join(delimiter),
      PGHOST: cluster.host,
      PGPORT: String(cluster.port),
      PGUSER: 'postgres',
      PGDATABASE: 'postgres',
    },
  });
}
