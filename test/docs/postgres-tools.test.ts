// The commands of docs/postgres-tools.md, with the tools of each major that has them.
import { dirname, delimiter, join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { debianMajors } from '../../dev/debian/program-sets.ts';
import { createCluster } from '../../dev/embedded/cluster.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { noOwnCluster } from '../support/cluster.ts';
import { noCopies } from '../support/copies.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { blocks } from './pages.ts';

for (const major of debianMajors) {
  testWhen(noOwnCluster, noCopies, noTool(major, 'pg_combinebackup')).serial(
    `the commands of docs/postgres-tools.md verify and combine a copy of ${major}`,
    async (t) => {
      const scene = await repositoryScene(t, {
        version: major,
        initdb: ['--data-checksums'],
        settings: { summarize_wal: 'on' },
      });
      const { admin, cluster } = scene;
      const disk = await cluster.serverDirectory('disk2');
      await admin.query(`create tablespace disk2 location '${disk}'`);
      await admin.query('create table near as select n from generate_series(1, 100000) n');
      await admin.query('create table far tablespace disk2 as select n from generate_series(1, 100000) n');
      const backup = await scene.backup();
      const combined = await createCluster({ version: major, empty: true });
      t.teardown(() => combined.remove());
      const place = await combined.makeDirectory('place');
      const theirs = join(place, 'theirs');
      const args = ['-Ft', '-X', 'none', '--checkpoint=fast', '-d', cluster.url(), '-D', theirs];
      await asServerUser.run(join(String(toolsOf(major, 'pg_basebackup')), 'pg_basebackup'), args);
      t.deepEqual(
        await pathsIn(backup.directory),
        await pathsIn(theirs),
        'it has the files of pg_basebackup',
      );

      await admin.query('update near set n = n + 1 where n % 1000 = 0');
      await admin.query('insert into far values (0)');
      // The worker is root here, and the commands run as the server's user.
      await runProcess('chown', ['-R', `--reference=${scene.repository}`, scene.directory]);

      const said = await runPage(major, scene, {
        BACKUP: backup.directory,
        PLACE: place,
        COMBINED: combined.dataDirectory,
        DISK: disk,
      });
      t.is(
        said.match(/backup successfully verified/g)?.length,
        major === 17 ? 2 : major === 18 ? 3 : 4,
        said,
      );

      for (const other of debianMajors.filter((one) => one !== major && toolsOf(one, 'pg_combinebackup')))
        t.regex(
          await refusalOf(other, [join(place, 'full'), join(place, 'incremental')]),
          /CRC is incorrect/,
          `${other}`,
        );

      await combined.appendSettings({ archive_mode: 'off' });
      await combined.start();
      const restored = await connect(t, combined.url({ database: scene.db.name }));
      t.is(await restored.value('select sum(n)::bigint::text from near'), '5000050100');
      t.is(await restored.value('select count(*)::int from far'), 100_001);
      const map = await readFile(join(combined.dataDirectory, 'backup_label.old'), 'utf8');
      t.regex(map, /^START WAL LOCATION/);
    },
  );
}

/** The paths in the manifest of a backup, without the maps that grow with what is written meanwhile. */
async function pathsIn(directory: string): Promise<string[]> {
  const manifest = await readFile(join(directory, 'backup_manifest'), 'utf8');
  const { Files } = JSON.parse(manifest) as { Files: { Path: string }[] };
  return Files.flatMap(({ Path }) => (/_(fsm|vm)$/.test(Path) ? [] : [Path])).sort();
}

/** Why pg_combinebackup of that major does not take them. */
async function refusalOf(major: number, directories: string[]): Promise<string> {
  const program = join(toolsOf(major, 'pg_combinebackup') ?? '', 'pg_combinebackup');
  const args = ['--dry-run', '-o', join(dirname(directories[0] ?? ''), 'none'), ...directories];
  return asServerUser.run(program, args).then(
    () => '',
    ({ message }: Error) => message,
  );
}

/** Its blocks for that major, in order; what they said. */
function runPage(major: number, { cluster }: RepositoryScene, settings: NodeJS.ProcessEnv): Promise<string> {
  const steps = blocks('docs/postgres-tools.md').filter(({ mark }) => {
    const [, since] = /^tools(?: since (\d+))?$/.exec(mark) ?? ['', '99'];
    return major >= Number(since ?? 0);
  });
  const script = ['set -eu', ...steps.map(({ text }) => text)].join('\n');
  const { hostname, port } = new URL(cluster.url());
  const programs = toolsOf(major, 'pg_combinebackup') ?? '';
  return asServerUser.run('/bin/sh', ['-c', script], {
    cwd: dirname(String(settings['PLACE'])),
    env: {
      ...settings,
      PATH: [programs, process.env['PATH']].join(delimiter),
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: 'postgres',
    },
  });
}
