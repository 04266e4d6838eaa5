// What a push leaves behind when it is broken off: nothing that anybody could take for an archived segment.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { moment } from '../support/moments.ts';
import { startHoldfast } from '../support/process.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';
import { MB, segment1, segmentBytes, walScene } from '../support/wal.ts';

const diskTest = testWhen(noSmallDisk);

diskTest('a repository that is full is an error that says so, and leaves nothing half', async (t) => {
  const disk = await smallDisk(t, '9m');
  const scene = await walScene(t, disk.directory);
  const bytes = segmentBytes({ size: 16 * MB });
  randomBytes(8 * MB).copy(bytes, MB);
  await scene.wal(segment1, bytes);
  const { status, stderr } = await scene.push(segment1);
  t.is(status, 1);
  t.regex(stderr, /^holdfast: the repository is full: ".*" cannot be written\n {2}hint: make room/);
  t.false(existsSync(scene.archived(segment1)));
  t.deepEqual(await readdir(join(scene.repository, 'main', 'wal', '.writing')), []);

  await disk.fill();
  const history = '00000002.history';
  await scene.wal(history, Buffer.from('1\t0/3000000\tno recovery target specified\n'));
  t.regex((await scene.push(history)).stderr, /the repository is full/);
  t.false(existsSync(scene.archived(history)));

  await disk.empty();
  await scene.wal(segment1, { size: 16 * MB });
  t.is((await scene.push(segment1)).status, 0);
});

testWhen(process.platform === 'linux' ? undefined : 'there is no /proc here')(
  'a segment that the disk does not give is named, and the repository is not blamed',
  async (t) => {
    const scene = await walScene(t);
    // Nothing is mapped at the beginning of the memory of a process: reading there is an error of the file system.
    await symlink('/proc/self/mem', join(scene.dataDirectory, 'pg_wal', segment1));
    const { status, stderr } = await scene.push(segment1);
    t.is(status, 1);
    t.regex(stderr, new RegExp(`^holdfast: "[^"]*${segment1}" cannot be read: EIO`));
  },
);

ava(
  'a push that is killed at any moment leaves a whole segment or none, and the next one succeeds',
  async (t) => {
    const scene = await walScene(t);
    await scene.wal(segment1, { size: 64 * MB });
    const env = { HOLDFAST_REPOSITORY: scene.repository };
    const began = performance.now();
    t.is((await scene.push(segment1)).status, 0);
    const takes = performance.now() - began;
    for (let n = 1; n <= 12; n += 1) {
      await rm(scene.archived(segment1), { force: true });
      const push = await startHoldfast(t, ['wal', 'push', `pg_wal/${segment1}`], {
        cwd: scene.dataDirectory,
        env,
      });
      await moment((takes * n) / 12);
      push.kill('SIGKILL');
      await push.exited;
      if (existsSync(scene.archived(segment1))) t.is((await scene.fetch(segment1)).status, 0, `kill ${n}`);
      const { status, stderr } = await scene.push(segment1);
      t.is(status, 0, stderr);
      t.deepEqual(await readdir(join(scene.repository, 'main', 'wal', '.writing')), []);
    }
  },
);
