// A worker that is root, and an owner of the data directory who has it read what only root may read.
import { closeSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { chmod, chown, lchown, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { FrameBuilder } from '../../../src/backup/copy/frame-builder.ts';
import { openJudged } from '../../../src/backup/copy/open-judged.ts';
import { findTrees, walk } from '../../../src/backup/copy/walk.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { testWhen } from '../../support/test-when.ts';

const test = testWhen(process.getuid?.() === 0 ? undefined : 'only root may read more than the owner');

const owner = 65_534;
const version = 'PG_18_202506291';

async function scene(t: ExecutionContext) {
  const root = await temporaryDirectory(t);
  await chmod(root, 0o711);
  const [data, secrets] = [join(root, 'data'), join(root, 'secrets')];
  for (const directory of [data, join(data, 'pg_tblspc'), join(data, 'place')]) {
    await mkdir(directory);
    await chown(directory, owner, owner);
  }
  await mkdir(secrets, { mode: 0o700 });
  await writeFile(join(secrets, 'file'), 'secret', { mode: 0o600 });
  await writeFile(join(data, 'place', 'file'), 'public');
  await chown(join(data, 'place', 'file'), owner, owner);
  const file = join(data, 'place', 'file');
  return { root, data, secrets, file, layout: () => findTrees(data, version, 18) };
}

test('a file that has become a link since it was looked at is not read', async (t) => {
  const { secrets, file } = await scene(t);
  const data = { kind: 'file' as const, source: file, owner, size: 6, firstBlock: undefined };
  const builder = new FrameBuilder(undefined);
  t.is(builder.build([{ data }]).bytes.subarray(0, 6).toString(), 'public');
  await rm(file);
  await symlink(join(secrets, 'file'), file);
  t.throws(() => builder.build([{ data }]), { message: /"[^"]*place\/file"/ });
});

test('a file below a directory that has become a link since is not read', async (t) => {
  const { data, secrets, file } = await scene(t);
  await rename(join(data, 'place'), join(data, 'away'));
  await symlink(secrets, join(data, 'place'));
  t.throws(() => openJudged(file, owner), { message: /put in its place/ });
});

test('a directory that becomes a link while its parent is walked is not looked into', async (t) => {
  const { data, secrets, layout } = await scene(t);
  const found = layout();
  t.throws(
    () => {
      for (const { path } of walk(found.trees[0] ?? t.fail(), found)) {
        if (path !== 'place') continue;
        renameSync(join(data, 'place'), join(data, 'away'));
        symlinkSync(secrets, join(data, 'place'));
      }
    },
    { message: /place/ },
  );
});

test("root's own file in the data directory is read, as is what a link led to that the owner may read", async (t) => {
  const { root, data, layout } = await scene(t);
  await writeFile(join(data, 'server.key'), 'key', { mode: 0o640 });
  await writeFile(join(root, 'shared.conf'), 'shared', { mode: 0o644 });
  await symlink(join(root, 'shared.conf'), join(data, 'shared.conf'));
  await lchown(join(data, 'shared.conf'), owner, owner);
  const found = layout();
  const read = [...walk(found.trees[0] ?? t.fail(), found)]
    .filter(({ kind }) => kind === 'file')
    .map(({ path, at }) => {
      const fd = openJudged(at, found.judgedBy);
      if (fd === undefined) return [path, 'gone'];
      const text = readFileSync(fd, 'utf8');
      closeSync(fd);
      return [path, text];
    });
  t.deepEqual(Object.fromEntries(read), {
    'place/file': 'public',
    'server.key': 'key',
    'shared.conf': 'shared',
  });
});

test("a tablespace's directory that is another user's is not copied", async (t) => {
  const { root, data, layout } = await scene(t);
  await mkdir(join(root, 'space', version), { recursive: true });
  await symlink(join(root, 'space'), join(data, 'pg_tblspc', '16400'));
  const found = layout();
  t.throws(() => [...walk(found.trees[0] ?? t.fail(), found)], { message: /belongs to user 0/ });
  await chown(join(root, 'space', version), owner, owner);
  t.is([...walk(found.trees[0] ?? t.fail(), found)].length, 1);
});
