// A restore by root, out of a repository that somebody else can write: what is in there decides neither who owns what,
// nor with which mode, nor where it goes.
import { existsSync } from 'node:fs';
import { chown, cp, lchown, lstat, mkdir, readdir, readFile, rename, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { groupOf } from '../../src/system/groups.ts';
import { backupAt, type StoredBackup } from '../../src/repository/catalog.ts';
import { startHoldfast } from '../support/process.ts';
import { eventually } from '../support/eventually.ts';
import { forge, memberBytes, type Forgery } from '../support/forged-backup.ts';
import { noRestore } from '../support/restored-copy.ts';
import { repositoryScene, type RepositoryScene } from '../support/repository-scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noRestore ?? (process.getuid?.() === 0 ? undefined : 'only root can give files away'));

interface Stage extends RepositoryScene {
  /** Restores a forged copy of the backup. */
  restoreForged: (
    forgery: Forgery,
    ...args: string[]
  ) => Promise<{ to: string; status: number | null; stderr: string }>;
}

async function stage(t: ExecutionContext, scene: RepositoryScene, original: StoredBackup): Promise<Stage> {
  return {
    ...scene,
    async restoreForged(forgery, ...args) {
      const place = await temporaryDirectory(t);
      const directory = join(place, basename(original.directory));
      await cp(original.directory, directory, { recursive: true });
      await cp(original.meta, `${directory}.meta`, { recursive: true });
      await forge(await backupAt(directory), forgery);
      const to = join(place, 'data');
      return { to, ...(await scene.restore(to, directory, ...args)) };
    },
  };
}

test('a restore as root masks modes, gives all to one user who is not root, and writes nothing elsewhere', async (t) => {
  const scene = await repositoryScene(t);
  const original = await scene.backup();
  const { restoreForged } = await stage(t, scene, original);
  const owner = await stat(join(String(scene.cluster.dataDirectory), 'PG_VERSION'));

  const evil = Buffer.from('#!/bin/sh\n');
  const modes = await restoreForged({
    edit: (member) => ({ ...member, mode: 0o7777 }),
    add: [{ tar: 'base.tar.zst', bytes: memberBytes({ name: 'shell', mode: 0o6755 }, evil) }],
    list: [{ path: 'shell', content: evil }],
  });
  t.is(modes.status, 0, modes.stderr);
  for (const name of await readdir(modes.to, { recursive: true })) {
    const { mode, uid, gid } = await lstat(join(modes.to, name));
    t.is(mode & 0o7027, 0, `${name}: ${mode.toString(8)}`);
    t.deepEqual([uid, gid], [owner.uid, owner.gid], name);
  }
  t.is((await stat(modes.to)).uid, owner.uid);

  const rooted = await restoreForged({
    edit: (member) => ({ ...member, uid: 0, gid: 0, user: 'root', group: 'root' }),
  });
  t.is(rooted.status, 1);
  t.regex(rooted.stderr, /would belong to root\n {2}hint: run this as the user that PostgreSQL runs as/);
  t.false(existsSync(rooted.to));

  // A drill runs what is in there, and with such a group it would be root in all but name.
  const grouped = await restoreForged({ edit: (member) => ({ ...member, gid: 0, group: 'disk' }) });
  t.is(grouped.status, 0, grouped.stderr);
  const given = await stat(join(grouped.to, 'PG_VERSION'));
  t.deepEqual([given.uid, given.gid], [owner.uid, groupOf(owner.uid, 0)]);
  t.not(given.gid, 0);

  const outside = join(await temporaryDirectory(t), 'outside');
  await mkdir(outside);
  // All others: extraction/member-names.
  const members: [string, Buffer][] = [
    ['absolute', memberBytes({ name: `${outside}/x` }, evil)],
    ['parent', memberBytes({ name: '../x' }, evil)],
    ['symbolic link', memberBytes({ name: 'way' }, undefined, { type: '2', link: outside })],
  ];
  for (const [what, bytes] of members) {
    const through = memberBytes({ name: 'way/x' }, evil);
    const { status, stderr, to } = await restoreForged({
      add: [
        { tar: 'base.tar.zst', bytes },
        { tar: 'base.tar.zst', bytes: through },
      ],
      list: [{ path: 'way/x', content: evil }],
    });
    t.is(status, 1, what);
    t.regex(stderr, /is damaged: .*(leads elsewhere|has the type "\d")/, what);
    t.false(existsSync(join(dirname(to), 'x')), what);
    t.false(existsSync(join(to, 'global/pg_control')), what);
  }
  t.deepEqual(await readdir(outside), []);

  const huge = await restoreForged({
    add: [{ tar: 'base.tar.zst', bytes: memberBytes({ name: 'zeros' }, Buffer.alloc(64 << 20)) }],
  });
  t.is(huge.status, 1);
  t.regex(huge.stderr, /the frame index is malformed/);
});

test('as root a tablespace goes elsewhere only where the operator says so, and takes only the files of PostgreSQL', async (t) => {
  const scene = await repositoryScene(t);
  const place = await scene.cluster.serverDirectory('space');
  await scene.admin.query(`create tablespace far location '${place}'`);
  await scene.admin.query('create table kept tablespace far as select generate_series(1, 1000) n');
  const oid = await scene.admin.value<string>(`select oid::text from pg_tablespace where spcname = 'far'`);
  const original = await scene.backup();
  await scene.admin.query('drop table kept');
  await scene.admin.query('drop tablespace far');
  const { restoreForged } = await stage(t, scene, original);

  const unasked = await restoreForged({});
  t.is(unasked.status, 1);
  t.regex(
    unasked.stderr,
    new RegExp(
      `as root, a tablespace does not go where only the backup says: ${oid} to ".*space"\n {2}hint: give --tablespaces-as-they-were`,
    ),
  );
  t.false(existsSync(unasked.to));

  const planted = await restoreForged(
    { add: [{ tar: `${oid}.tar.zst`, bytes: memberBytes({ name: 'authorized_keys' }, Buffer.from('ssh')) }] },
    '--tablespaces-as-they-were',
  );
  t.is(planted.status, 1);
  t.regex(planted.stderr, /the member "authorized_keys" is not below the directory of PostgreSQL \d+/);
  t.false(existsSync(join(place, 'authorized_keys')));

  const asWere = await restoreForged({}, '--tablespaces-as-they-were');
  t.regex(asWere.stderr, /is not empty/, 'what the one before had begun');
  const moved = join(await temporaryDirectory(t), 'moved');
  const sent = await restoreForged({}, '--tablespace', `${oid}=${moved}`);
  t.is(sent.status, 0, sent.stderr);
  t.is((await stat(moved)).mode & 0o777, 0o700);
});

test("a directory that somebody else owns is root's until the restore is over, and not led elsewhere by a link", async (t) => {
  const scene = await repositoryScene(t);
  await scene.admin.query('create table big as select g n, md5(g::text) t from generate_series(1, 300000) g');
  await scene.backup();
  const { uid, gid } = await stat(String(scene.cluster.dataDirectory));
  const place = await temporaryDirectory(t);
  await chown(place, uid, gid);

  const to = join(place, 'data');
  await mkdir(to);
  await chown(to, uid, gid);
  const args = ['restore', '--repository', scene.repository, '--to', to, '--jobs', '1'];
  const restoring = await startHoldfast(t, args);
  await eventually('it writes', () => existsSync(join(to, 'base')));
  const meanwhile = await stat(to);
  t.deepEqual([meanwhile.uid, meanwhile.mode & 0o777], [0, 0o700]);
  // Who owns what is above it can move it, and does not lead the restore anywhere with that.
  const elsewhere = await temporaryDirectory(t);
  await rename(to, join(place, 'moved'));
  await symlink(elsewhere, to);
  const { status, stderr } = await restoring.exited;
  t.is(status, 0, stderr);
  t.deepEqual(await readdir(elsewhere), []);
  t.is((await stat(join(place, 'moved'))).uid, uid);
  t.truthy(await readFile(join(place, 'moved', 'global/pg_control')));

  const link = join(place, 'link');
  await mkdir(join(place, 'real'));
  await symlink(join(place, 'real'), link);
  t.is((await scene.restore(link)).status, 0, "root's own link leads where root says");
  const theirs = join(place, 'theirs');
  await symlink(elsewhere, theirs);
  await lchown(theirs, uid, gid);
  const refused = await scene.restore(join(theirs, 'data'));
  t.is(refused.status, 1);
  t.regex(
    refused.stderr,
    /cannot be restored to as root: the symbolic link "theirs" in it belongs to user \d+/,
  );
  t.deepEqual(await readdir(elsewhere), []);
});
