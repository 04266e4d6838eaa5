// Which repository a data directory's WAL goes to is known by its id: mounts are missing just after a reboot.
import { chown, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { HoldfastError } from '../../src/errors.ts';
import { readArchive } from '../../src/repository/archive-content.ts';
import { writeAside } from '../../src/repository/place-file.ts';
import { writingDirectory } from '../../src/repository/wal-archive.ts';
import { placePrepared, prepareWal } from '../../src/wal/push-segment.ts';
import { pushAhead } from '../../src/wal/push-ahead.ts';
import { holdfast } from '../support/process.ts';
import { makeRepository } from '../support/repository.ts';
import { walScene, type Scene } from '../support/wal.ts';
import { testWhen } from '../support/test-when.ts';

const [first = '', second = '', third = ''] = [1, 2, 3].map((n) => `00000001000000000000000${n}`);

test('a repository in the place of another one is refused after a reboot, and where pg_wal was copied to', async (t) => {
  const scene = await archivingScene(t);
  await otherMount(scene);
  const target = join(scene.dataDirectory, 'pg_wal/pgsql_tmp.holdfast.push/target');
  const noted = JSON.parse(await readFile(target, 'utf8')) as object;
  await writeFile(target, JSON.stringify({ ...noted, boot: '00000000-0000-4000-8000-000000000000' }));
  await refused(t, scene);

  const wal = join(scene.dataDirectory, 'pg_wal');
  await cp(wal, `${wal}.new`, { recursive: true });
  await rm(wal, { recursive: true });
  await rename(`${wal}.new`, wal);
  await refused(t, scene);

  await rm(join(scene.repository, 'main'), { recursive: true });
  const unmounted = await scene.push(second);
  t.is(unmounted.status, 1);
  t.regex(unmounted.stderr, /is not a repository.*used before has the id/);
  t.true(unmounted.stderr.includes(`--data-directory ${scene.dataDirectory}`), unmounted.stderr);

  await rename(join(scene.repository, 'main.mounted'), join(scene.repository, 'main'));
  t.is((await scene.push(second)).status, 0);
});

test('a repository that is unmounted in the midst of a push gets no directories below its mount point, and no segment counts', async (t) => {
  const scene = await archivingScene(t);
  const clusterDirectory = join(scene.repository, 'main');
  const mounted = `${clusterDirectory}.mounted`;
  const path = join(scene.dataDirectory, 'pg_wal', second);
  const prepared = await prepareWal({ path, clusterDirectory, compressLevel: 1 });
  // Directories are left below the mount point, as by an earlier release: the file gets its name there.
  const left = () => {
    renameSync(clusterDirectory, mounted);
    mkdirSync(dirname(scene.archived(second)), { recursive: true });
  };
  await t.throwsAsync(placePrepared(prepared, left), { code: 'no_repository' });
  await rm(clusterDirectory, { recursive: true });

  const place = {
    path: scene.archived(second),
    temporaries: writingDirectory(clusterDirectory),
    clusterDirectory,
  };
  const unmounted = await t.throwsAsync<HoldfastError>(
    writeAside(place, (file) => file.writeFile('')),
    { code: 'repository_unwritable' },
  );
  t.regex(unmounted.hint ?? '', /^see whether the repository is mounted/);
  t.deepEqual(await readdir(scene.repository), ['main.mounted']);
});

test('where only the directory of WAL is unmounted, nothing is pushed below its mount point, and nothing is missing', async (t) => {
  const scene = await archivingScene(t);
  const wal = join(scene.repository, 'main', 'wal');
  await rename(wal, `${wal}.mounted`);
  await mkdir(wal);
  for (const { status, stderr } of [await scene.push(second), await scene.fetch(first)]) {
    t.not(status, 0);
    t.regex(stderr, /main\/wal" is empty, and an archive of WAL never is\n {2}hint: mount its file system/);
  }
  await t.throwsAsync(ahead(scene), { code: 'no_archive' });
  t.is((await scene.fetch(first)).status, 200);
  await t.throwsAsync(readArchive(dirname(wal)), { code: 'no_archive' });
  t.deepEqual(await readdir(wal), []);

  await rm(wal, { recursive: true });
  t.is((await scene.push(second)).status, 0, 'as the hint says');
  await rm(wal, { recursive: true });
  await rename(`${wal}.mounted`, wal);
  t.is((await scene.push(second)).status, 0);
  t.is((await scene.fetch(first)).status, 0);
});

test('nobody goes ahead into a repository in the place of another one', async (t) => {
  const scene = await archivingScene(t);
  await otherMount(scene);
  await t.throwsAsync(ahead(scene), { code: 'other_repository' });
  t.false(existsSync(scene.archived(second)));
  t.is((await scene.withoutNode(['push', `pg_wal/${second}`])).status, 127);
});

test('"wal init" with the data directory says that another repository takes the place, and old receipts go', async (t) => {
  const scene = await archivingScene(t);
  t.is(await ahead(scene), 2);
  t.is((await scene.withoutNode(['push', `pg_wal/${second}`])).status, 0);
  await otherMount(scene);
  const words = ['wal', 'init', '--repository', scene.repository, '--cluster', 'main', '--data-directory'];
  const nowhere = await holdfast([...words, scene.repository]);
  t.regex(nowhere.stderr, /not a PostgreSQL data directory/);
  const { status, stderr } = await holdfast([...words, scene.dataDirectory]);
  t.is(status, 0, stderr);
  t.is((await scene.push(second)).status, 0);
  t.true(existsSync(scene.archived(second)));
  t.is((await scene.push(third)).status, 0);
});

test('a repository at another place is taken, and each is known by its own id', async (t) => {
  const scene = await archivingScene(t);
  const elsewhere = `${scene.repository}.offsite`;
  await makeRepository(elsewhere);
  t.is((await scene.push(first, { env: { HOLDFAST_REPOSITORY: elsewhere } })).status, 0);
  await otherMount(scene);
  await refused(t, scene);
  t.is((await scene.push(second, { env: { HOLDFAST_REPOSITORY: elsewhere } })).status, 0);
});

/** A server's pg_wal that has archived one segment. */
async function archivingScene(t: ExecutionContext): Promise<Scene> {
  const scene = await walScene(t);
  await mkdir(join(scene.dataDirectory, 'pg_wal/archive_status'));
  for (const name of [first, second, third]) await scene.wal(name);
  t.is((await scene.push(first)).status, 0);
  return scene;
}

async function ahead({ dataDirectory, repository }: Scene): Promise<number> {
  for (const name of [second, third])
    await writeFile(join(dataDirectory, 'pg_wal/archive_status', `${name}.ready`), '');
  const clusterDirectory = join(repository, 'main');
  return pushAhead({ dataDirectory, clusterDirectory, compressLevel: 1, ahead: 8, goOn: () => true });
}

/** The file system is not mounted, and below it lies a repository of the same cluster. */
async function otherMount({ repository }: Scene): Promise<void> {
  await rename(join(repository, 'main'), join(repository, 'main.mounted'));
  await makeRepository(repository);
}

async function refused(t: ExecutionContext, scene: Scene): Promise<void> {
  const { status, stderr } = await scene.push(second);
  t.is(status, 1);
  t.regex(stderr, /and this server has archived to the repository/);
  t.true(stderr.includes(`--data-directory ${scene.dataDirectory}`), stderr);
  t.false(existsSync(scene.archived(second)));
}

const asRoot = testWhen(process.getuid?.() === 0 ? undefined : 'only root types as somebody else');

asRoot('a push that root types leaves nothing that the server could not read', async (t) => {
  const scene = await walScene(t);
  const place = dirname(scene.dataDirectory);
  await mkdir(join(scene.dataDirectory, 'pg_wal/archive_status'));
  for (const name of [first, second]) {
    await scene.wal(name);
    await writeFile(join(scene.dataDirectory, 'pg_wal/archive_status', `${name}.ready`), '');
  }
  const server = { uid: 12_345, gid: 12_345 };
  for (const name of ['.', ...(await readdir(place, { recursive: true }))])
    await chown(join(place, name), server.uid, server.gid);

  t.is((await scene.push(first)).status, 0);
  t.false(existsSync(join(scene.dataDirectory, 'pg_wal/pgsql_tmp.holdfast.push')));
  const env = { HOLDFAST_REPOSITORY: scene.repository };
  const { status, stderr } = await holdfast(['wal', 'push', `pg_wal/${second}`], {
    cwd: scene.dataDirectory,
    env,
    as: server,
  });
  t.is(status, 0, stderr);
  t.is(
    (await stat(join(scene.dataDirectory, 'pg_wal/pgsql_tmp.holdfast.push/repositories'))).uid,
    server.uid,
  );
});
