// Whether a cluster has checksums, as its pg_control says it after pg_checksums.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { noTool, toolsOf } from '../../dev/debian/postgres-tools.ts';
import { debianMajors } from '../../dev/debian/program-sets.ts';
import { scratchDirectory } from '../../dev/embedded/cache.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { parseControlFile } from '../../src/postgres/pg-control.ts';
import { testWhen } from '../support/test-when.ts';

for (const major of [15, ...debianMajors]) {
  const obstacle = noTool(major, 'pg_checksums');
  testWhen(obstacle)(`checksums that pg_checksums ${major} switched are as they are now`, async (t) => {
    const bin = toolsOf(major, 'pg_checksums') ?? '';
    const place = await scratchDirectory();
    t.teardown(() => rm(place, { recursive: true }));
    for (const initially of [true, false]) {
      const data = join(place, initially ? 'with' : 'without');
      await asServerUser.mkdir(data);
      const chosen = initially ? ['--data-checksums'] : major >= 18 ? ['--no-data-checksums'] : [];
      await asServerUser.run(join(bin, 'initdb'), ['-D', data, '--no-sync', '--no-locale', ...chosen]);
      const checksums = async () =>
        parseControlFile(await readFile(join(data, 'global/pg_control'))).checksums;
      t.is(await checksums(), initially);
      const how = initially ? '--disable' : '--enable';
      await asServerUser.run(join(bin, 'pg_checksums'), ['-D', data, '--no-sync', how]);
      t.is(await checksums(), !initially);
    }
  });
}
