// Where a restore may go, and in what state it leaves directories where it may not, or fails.
import { chmod, chown, lchown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { refuseDestination, refuseInRepository, writeNote } from '../../src/restore/destination.ts';
import { holdDestination } from '../../src/restore/hold-destination.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const isRoot = process.getuid?.() === 0;
const asRoot = testWhen(isRoot ? undefined : 'only root can be somebody else');
const asRootSerial = asRoot.serial;
const server = 12_345;

async function stage(t: ExecutionContext) {
  const place = await temporaryDirectory(t);
  const directory = join(place, 'data');
  return {
    place,
    directory,
    refuse: (walDirectory: string, uid?: number) =>
      t.throwsAsync<Error & { code: string; hint: string }>(
        refuseDestination({ directory, tablespaces: [], walDirectory }, uid),
      ),
    hold: (more: { walDirectory?: string; tablespaces?: { oid: string; location: string }[] } = {}) =>
      holdDestination({ directory, tablespaces: [], ...more }),
  };
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);

test('a directory for WAL is refused where it has something in it, a mount point by name', async (t) => {
  const { place, refuse } = await stage(t);
  await mkdir(join(place, 'wal/archive_status'), { recursive: true });
  t.like(await refuse(join(place, 'wal')), { code: 'directory_not_empty' });
  await mkdir(join(place, 'mount/lost+found'), { recursive: true });
  const mount = await refuse(join(place, 'mount'));
  t.true(mount.message.endsWith('/mount" is not empty: it has "lost+found", as a mount point may'));
  t.is(
    mount.hint,
    `use a directory below that one, as initdb asks for: --wal-directory ${join(place, 'mount/pg_wal')}`,
  );
  await writeFile(join(place, 'file'), '');
  t.like(await refuse(join(place, 'file')), { code: 'directory_unwritable' });
});

test('nothing is restored into the repository, not by way of a link either; beside it is all right', async (t) => {
  const { place } = await stage(t);
  const repository = join(place, 'repository');
  await mkdir(repository);
  await symlink(repository, join(place, 'link'));
  for (const directory of [repository, join(repository, 'main/data'), join(place, 'link/data')])
    t.like(await t.throwsAsync(refuseInRepository([undefined, directory], repository)), {
      code: 'in_the_repository',
    });
  await t.notThrowsAsync(refuseInRepository([join(place, 'repository2'), place, undefined], repository));
});

test('a directory for WAL is refused in the new data directory, around it, and in that of another server', async (t) => {
  const { place, directory, refuse } = await stage(t);
  await symlink(place, join(place, 'way'));
  for (const wal of [directory, join(directory, 'pg_wal'), place, join(place, 'way/data/pg_wal'), '/'])
    t.like(await refuse(wal), { code: 'wal_directory_overlaps' }, wal);
  await mkdir(join(place, 'other'));
  await writeFile(join(place, 'other/PG_VERSION'), '18');
  const other = await refuse(join(place, 'other/wal/new'));
  t.regex(other.message, /is in ".*\/other", which is a server's$/);
  t.deepEqual((await readdir(place)).sort(), ['other', 'way']);
});

test('what would come to lie in one place through links is refused, and so is a place in another server’s', async (t) => {
  const { place, directory } = await stage(t);
  await mkdir(join(place, 'real'));
  await symlink(join(place, 'real'), join(place, 'link'));
  const refuse = (tablespaces: { oid: string; location: string }[], to = directory) =>
    t.throwsAsync<Error & { code: string }>(refuseDestination({ directory: to, tablespaces }, undefined));
  const one = { oid: '1', location: join(place, 'real/a') };
  const other = await refuse([one, { oid: '2', location: join(place, 'link/a') }]);
  t.is(other.message, 'tablespace 2 and tablespace 1 would be one inside the other');
  const within = await refuse([{ ...one, location: join(place, 'link/data/a') }], join(place, 'real/data'));
  t.is(within.code, 'tablespace_overlaps');
  t.regex(within.message, /tablespace 1 and the data directory/);

  await mkdir(join(place, 'other/spare'), { recursive: true });
  await writeFile(join(place, 'other/PG_VERSION'), '18');
  await symlink(join(place, 'other/spare'), join(place, 'spare'));
  t.like(await refuse([], join(place, 'spare')), { code: 'directory_of_server' });
  const ofServer = await refuse([{ ...one, location: join(place, 'spare/a') }]);
  t.regex(ofServer.message, /\/spare\/a" is in ".*\/other", which is a server's$/);
  t.deepEqual((await readdir(place)).sort(), ['link', 'other', 'real', 'spare']);
});

asRoot('a directory for WAL is refused where it is neither the server’s nor root’s', async (t) => {
  const { place, refuse, directory } = await stage(t);
  const wal = join(place, 'wal');
  await mkdir(wal);
  await chown(wal, server + 1, server + 1);
  const refused = await refuse(wal, server);
  t.is(refused.message, `"${wal}" belongs to user ${server + 1}`);
  t.regex(refused.hint, new RegExp(`or one of user ${server},`));
  for (const uid of [0, server]) {
    await chown(wal, uid, uid);
    await refuseDestination({ directory, tablespaces: [], walDirectory: wal }, server);
  }
  t.pass();
});

test.serial('parents are made as initdb makes them, and only the directory itself is closed', async (t) => {
  const { place, hold } = await stage(t);
  const location = join(place, 'a/b/space');
  const before = process.umask(0o027);
  t.teardown(() => void process.umask(before));
  const held = await hold({
    walDirectory: join(place, 'x/y/wal'),
    tablespaces: [{ oid: '1', location }],
  });
  await held.release();
  process.umask(before);
  t.is(await modeOf(join(place, 'x/y')), isRoot ? '751' : '750');
  for (const path of ['data', 'x/y/wal', 'a/b/space']) t.is(await modeOf(join(place, path)), '700', path);
});

asRootSerial('parents belong to whom the directory above them belongs to', async (t) => {
  const { place, hold } = await stage(t);
  await chown(place, server, server + 1);
  const before = process.umask(0o077);
  t.teardown(() => void process.umask(before));
  const held = await hold({ walDirectory: join(place, 'x/y/wal') });
  await held.release();
  for (const path of ['x', 'x/y']) {
    const { uid, gid } = await stat(join(place, path));
    t.deepEqual([uid, gid, await modeOf(join(place, path))], [server, server + 1, '711']);
  }
  t.is((await stat(join(place, 'x/y/wal'))).uid, 0);
});

test('a restore that fails leaves the directory for WAL as it was found, or not there', async (t) => {
  const { place, hold } = await stage(t);
  const wal = join(place, 'wal');
  await mkdir(wal);
  await chmod(wal, 0o755);
  const made = join(place, 'x/y/wal');
  for (const walDirectory of [wal, made]) {
    const held = await hold({ walDirectory });
    await mkdir(join(String(held.wal), 'archive_status'));
    await writeFile(join(String(held.wal), 'segment'), '');
    await held.giveWalBack(['segment']);
    await held.release();
  }
  t.deepEqual((await readdir(place)).sort(), ['data', 'wal']);
  t.deepEqual(await readdir(wal), []);
  t.is(await modeOf(wal), '755');
});

asRoot('where one of the directories is refused, none is changed', async (t) => {
  const { place, directory, hold } = await stage(t);
  await mkdir(directory);
  await chown(directory, server, server);
  await chmod(directory, 0o755);
  await symlink(dirname(place), join(place, 'theirs'));
  await lchown(join(place, 'theirs'), server, server);
  await t.throwsAsync(hold({ walDirectory: join(place, 'theirs/new/wal') }), {
    message: /symbolic link "theirs" in it belongs to user/,
  });
  const { uid } = await stat(directory);
  t.deepEqual([uid, await modeOf(directory)], [server, '755']);
  t.deepEqual(await readdir(directory), []);
  t.deepEqual((await readdir(place)).sort(), ['data', 'theirs']);
});

test('the note in the data directory names all directories that are to be emptied', async (t) => {
  const { place, directory } = await stage(t);
  const tablespaces = [{ oid: '1', location: join(place, 'space') }];
  const destination = { directory, tablespaces, walDirectory: join(place, 'wal') };
  const held = await holdDestination(destination);
  await writeNote(destination, { written: held.directory, what: 'the restore of backup x' });
  await held.release();
  const text = await readFile(join(directory, 'holdfast-restore-unfinished'), 'utf8');
  t.deepEqual(text.split('\n').slice(2), [directory, join(place, 'space'), join(place, 'wal'), '']);
});
