// Copies that the database knows, and that are not to be seen in the repository.
import { mkdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { retentionStage, segment } from '../support/retention-stage.ts';

const test = ava.serial;
const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();

test('copies that were moved aside keep their WAL until they are forgotten', async (t) => {
  const stage = await retentionStage(t, { backups: 5 });
  const { names, ids, directory, operator } = stage;
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  const aside = join(stage.repository, 'aside');
  await mkdir(aside);
  for (const suffix of ['', '.meta'])
    await rename(join(directory, 'backups', names[1] + suffix), join(aside, names[1] + suffix));

  const { wal_stays } = await stage.expired();
  t.deepEqual(await stage.listed(), whole(names.slice(4)));
  t.deepEqual(await stage.segments(), [4, 5, 6, 7, 8, 9, 10, 11].map(segment));
  t.true(wal_stays.some(({ reason }) => reason.includes(`backup ${ids[1]} is not in the repository`)));

  // As a worker does that looks for the copies.
  await stage.superuser.query(
    `insert into holdfast.missing_backup (request_id, cluster) values ($1, 'main')`,
    [ids[1]],
  );
  await operator.query(`select holdfast.forget_copy($1, 'the old disk is gone')`, [ids[1]]);
  await stage.expired();
  t.deepEqual(await stage.segments(), [10, 11].map(segment));
});

for (const [what, hide] of Object.entries({
  'is the directory below a mount point': (backups: string) => mkdir(backups),
  'is a link that leads nowhere': (backups: string) => symlink('/nonexistent', backups),
  'does not exist': () => Promise.resolve(),
}))
  test(`nothing goes where backups/ ${what}`, async (t) => {
    const stage = await retentionStage(t);
    await stage.policy({ keep_last: 1, recovery_window: '0' });
    const backups = join(stage.directory, 'backups');
    await rename(backups, `${backups}.unmounted`);
    await hide(backups);
    for (const args of [[], ['--dry-run']]) {
      const { status, stderr } = await stage.expire(args);
      t.is(status, 1);
      t.regex(stderr, /has none of the copies that this database knows, such as backup \d+/);
      t.regex(stderr, /mount the file system .*forget_copy\(\d+, 'why'\)/);
    }
    t.is((await stage.segments()).length, 8);
  });
