// PostgreSQL takes a segment that is not in the archive for the end of the WAL; where it is a hole, recovery stops there.
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { holdFile } from '../support/held-file.ts';
import { segmentBytes, walScene, type Scene } from '../support/wal.ts';

const name = (n: number, timeline = 1) => `0000000${timeline}000000000000000${n}`;

test('a recovery does not end at a hole: that is an error, which names it', async (t) => {
  const scene = await holedScene(t);
  const { status, stderr } = await scene.fetch(name(2));
  t.is(status, 200);
  t.regex(
    stderr,
    /has 000000010000000000000003, but not 000000010000000000000002: recovery would end before it/,
  );
  t.is((await scene.fetch(name(4))).status, 1);
});

test('what was archived out of turn comes a little later', async (t) => {
  const scene = await holedScene(t);
  // A recycled file is where recovery would read the segment. It is looked at once the archive did not have that.
  const recycled = join(scene.dataDirectory, 'pg_wal', name(2));
  await writeFile(recycled, segmentBytes({ name: name(1) }));
  const held = await holdFile(t, recycled);
  const fetching = scene.fetch(name(2));
  await held.opened;
  await rename(`${scene.archived(name(2))}.away`, scene.archived(name(2)));
  await held.release();
  t.is((await fetching).status, 0);
});

test('a standby asks again, and who knows of the hole may end there', async (t) => {
  const scene = await holedScene(t);
  const env = { HOLDFAST_DESPITE_MISSING_WAL: '1' };
  t.is((await scene.fetch(name(2), 'pg_wal/RECOVERYXLOG', { env })).status, 1);
  await writeFile(join(scene.dataDirectory, 'standby.signal'), '');
  t.is((await scene.fetch(name(2))).status, 1);
});

test('what a timeline had not begun by is no hole in it', async (t) => {
  const scene = await holedScene(t);
  await scene.wal('00000002.history', Buffer.from('1\t0/300000\tno recovery target specified\n'));
  await scene.wal(name(5, 2));
  for (const file of ['00000002.history', name(5, 2)]) t.is((await scene.push(file)).status, 0);
  t.is((await scene.fetch(name(2, 2))).status, 1);
  t.is((await scene.fetch(name(4, 2))).status, 200);
});

test('nor does it end at a hole before the place where its timeline was left for the next one', async (t) => {
  const scene = await holedScene(t);
  await scene.wal('00000002.history', Buffer.from('1\t0/600100\tno recovery target specified\n'));
  await scene.wal(name(6, 2));
  for (const file of ['00000002.history', name(6, 2)]) t.is((await scene.push(file)).status, 0);
  // Recovery has the history file in pg_wal, as it follows it; it needs the segments 4 and 5 on the way.
  const { status, stderr } = await scene.fetch(name(4));
  t.is(status, 200);
  t.regex(stderr, /has 00000002\.history, by which timeline 1 went on to 0\/600100, but not \w+4:/);
  t.is((await scene.fetch(name(6))).status, 1, 'the rest of it is in that of timeline 2');
  t.is((await scene.fetch(name(7, 2))).status, 1, 'the end');
  await rm(join(scene.dataDirectory, 'pg_wal', '00000002.history'));
  t.is(
    (await scene.fetch(name(4))).status,
    1,
    'a recovery that stays on timeline 1 ends with what there is of it',
  );
});

/** An archive of the segments 1 and 3, with the one in between put away; and a server that recovers. */
async function holedScene(t: ExecutionContext): Promise<Scene> {
  const scene = await walScene(t);
  for (const n of [1, 2, 3]) {
    await scene.wal(name(n));
    t.is((await scene.push(name(n))).status, 0);
    await rm(join(scene.dataDirectory, 'pg_wal', name(n))); // whoever recovers does not have it in place
  }
  await rename(scene.archived(name(2)), `${scene.archived(name(2))}.away`);
  await writeFile(join(scene.dataDirectory, 'recovery.signal'), '');
  return scene;
}
