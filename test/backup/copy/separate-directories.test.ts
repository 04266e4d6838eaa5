// Repositories and label directories in what is copied.
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { requireSeparateDirectories } from '../../../src/backup/copy/separate-directories.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

async function scene(t: ExecutionContext) {
  const root = await temporaryDirectory(t);
  const data = join(root, 'data');
  await mkdir(join(data, 'pg_tblspc'), { recursive: true });
  await mkdir(join(root, 'space'));
  await symlink(join(root, 'space'), join(data, 'pg_tblspc', '16400'));
  await symlink(data, join(root, 'by-link'));
  const check = (clusterDirectory: string, labels = 'labels') =>
    requireSeparateDirectories(data, {
      clusterDirectory: join(root, clusterDirectory),
      labels: join(root, labels),
    });
  return { root, data, check };
}

test('a repository in the data directory or in a tablespace is refused by name, by whatever path', async (t) => {
  const { root, data, check } = await scene(t);
  for (const [path, where] of [
    ['data/backups/main', `the data directory, "${data}"`],
    ['by-link/backups/main', `the data directory, "${data}"`],
    ['space/main', `tablespace 16400, "${join(root, 'space')}"`],
    ['data', `the data directory, "${data}"`],
  ] as const)
    await t.throwsAsync(check(path), {
      code: 'repository_in_cluster',
      message: `the repository "${join(root, path)}" is in ${where}`,
    });
});

test('a label directory in the data directory is refused', async (t) => {
  const { root, data, check } = await scene(t);
  await t.throwsAsync(check('repository/main', 'data/labels'), {
    code: 'repository_in_cluster',
    message: `the label directory "${join(root, 'data/labels')}" is in the data directory, "${data}"`,
  });
});

test('what is beside the data directory, or only begins with its name, is not refused', async (t) => {
  const { check } = await scene(t);
  for (const path of ['repository/main', 'data2/main', '..data/main', 'space2'])
    await t.notThrowsAsync(check(path));
});
