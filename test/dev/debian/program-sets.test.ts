import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { installSet } from '../../../dev/debian/install-set.ts';
import {
  debianMajors,
  installedVersion,
  serverDirectory,
  serverSet,
  setDirectory,
} from '../../../dev/debian/program-sets.ts';
import { asServerUser } from '../../../dev/embedded/server-user.ts';
import { testWhen } from '../../support/test-when.ts';

for (const major of debianMajors) {
  const set = serverSet(major);
  const missing = installedVersion(set) === undefined ? `${set} is not installed` : undefined;

  testWhen(missing)(
    `the programs of ${set} run as the servers' user, with libraries of their own`,
    async (t) => {
      const bin = join(serverDirectory(major), 'bin');
      for (const program of [
        'postgres',
        'initdb',
        'psql',
        'pg_verifybackup',
        'pg_combinebackup',
        'pg_waldump',
      ])
        t.regex(
          await asServerUser.run(join(bin, program), ['--version']),
          new RegExp(`PostgreSQL\\) ${major}`),
        );
      const [loader = ''] = globSync(join(setDirectory(set), 'usr/lib/*/ld-linux*.so.*'));
      const { stdout } = spawnSync(loader, ['--list', join(bin, 'postgres')], { encoding: 'utf8' });
      const libraries = [...stdout.matchAll(/=> (\/\S+)/g)].map(([, path = '']) => path);
      t.true(libraries.length > 3, stdout);
      t.deepEqual(
        libraries.filter((path) => !path.startsWith(setDirectory(set))),
        [],
      );
    },
  );

  testWhen(missing)(`what is there of ${set} is not made again`, async (t) => {
    const before = await stat(setDirectory(set));
    t.is(await installSet(set), String(installedVersion(set)));
    t.is((await stat(setDirectory(set))).ino, before.ino);
  });
}
