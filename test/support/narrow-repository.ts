// A repository that has less room than a copy needs.
import { rm, statfs } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import { copyScene } from './copies.ts';
import { eventually } from './eventually.ts';
import { smallDisk } from './small-disk.ts';

export async function narrowRepository(t: ExecutionContext) {
  const disk = await smallDisk(t, '1g');
  const { copy, names, repository, requestCopy, startCopier, untilState } = await copyScene(t, {
    repository: disk.directory,
  });
  await startCopier({ HOLDFAST_WAL_RESERVE: '0' });
  const used = async () => {
    const { blocks, bfree, bsize } = await statfs(repository);
    return (blocks - bfree) * bsize;
  };
  const whole = await copy();
  const bytes = await used();
  for (const path of [whole.directory, whole.meta]) await rm(path, { recursive: true });
  const empty = await used();
  return { requireRefusedAt, requireCopy };

  /** A copy fails while this share of its room is missing, with an error that says so, and leaves nothing. */
  async function requireRefusedAt(missing: number): Promise<string> {
    await disk.resize(String(Math.floor(empty + (bytes - empty) * (1 - missing))));
    const row = await untilState(await requestCopy(), 'failed', { within: 60_000 });
    // What is clearly too little is seen before the backup begins.
    const isSeen = missing > 0.2 && row.start_lsn === null;
    t.is(row.error_code, isSeen ? 'no_room_for_copy' : 'repository_full', `${missing}: ${row.error}`);
    t.regex(String(row.error), isSeen ? /^the repository has / : /^the repository is full: /);
    t.regex(String(row.hint), /make room/);
    await eventually('nothing is left', async () => (await names()).length === 0);
    return String(row.error_code);
  }

  /** With room again, a copy is complete. */
  async function requireCopy() {
    await disk.resize('1g');
    await copy();
    t.is((await names()).length, 2);
  }
}
