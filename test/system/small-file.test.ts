import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { run } from '../../dev/embedded/run.ts';
import { readSmallFile } from '../../src/system/small-file.ts';
import { readLeases } from '../../src/repository/lease.ts';
import { leasesDirectory } from '../../src/repository/lease-file.ts';
import { readOwner } from '../../src/repository/repository-owner.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a pipe, a directory and a huge file in place of a small one are refused at once', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = (name: string) => join(directory, name);
  await writeFile(path('small'), 'text');
  t.is((await readSmallFile(path('small'))).toString(), 'text');

  await run('mkfifo', [path('pipe')]);
  await t.throwsAsync(readSmallFile(path('pipe')), {
    code: 'EINVAL',
    message: /pipe" is not a regular file/,
  });
  await mkdir(path('directory'));
  await t.throwsAsync(readSmallFile(path('directory')), { code: 'EINVAL' });
  await writeFile(path('huge'), '');
  await truncate(path('huge'), 2 ** 31);
  await t.throwsAsync(readSmallFile(path('huge')), { code: 'EFBIG' });
});

test('a pipe in place of owner.json makes the repository unreadable, by name', async (t) => {
  const directory = await temporaryDirectory(t);
  await run('mkfifo', [join(directory, 'owner.json')]);
  const error = await t.throwsAsync(readOwner(directory), { message: /owner\.json.*is not a regular file/ });
  t.like(error, { code: 'repository_unreadable' });
});

test('a pipe in place of a lease makes the leases unreadable, by name', async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(leasesDirectory(directory), { recursive: true });
  await run('mkfifo', [join(leasesDirectory(directory), 'one.json')]);
  const error = await t.throwsAsync(readLeases(directory), { message: /one\.json.*is not a regular file/ });
  t.like(error, { code: 'repository_unreadable' });
});
