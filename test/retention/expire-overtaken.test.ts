// What happens to an expiry from elsewhere while it is at work: another control database, and a restore.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Connection } from '../../src/database/connection.ts';
import { createLog } from '../../src/log.ts';
import { writeLease } from '../../src/repository/lease.ts';
import { readOwner, replaceOwner } from '../../src/repository/repository-owner.ts';
import { expireCluster } from '../../src/retention/expire-cluster.ts';
import { asRole } from '../support/installed-database.ts';
import {
  retentionStage,
  segment,
  systemIdentifier,
  type RetentionStage,
} from '../support/retention-stage.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();

/** `meanwhile`: as soon as the first backup is off the lists. */
async function expiryWith(t: ExecutionContext, stage: RetentionStage, meanwhile: () => Promise<void>) {
  const { url } = await asRole(t, stage.db, 'worker');
  const db = await Connection.open({ url, schema: 'holdfast' });
  t.teardown(() => db.close());
  let begun = false;
  return expireCluster({
    cluster: 'main',
    clusterDirectory: stage.directory,
    dryRun: false,
    unknown: false,
    clockIsRight: false,
    deleteCommand: undefined,
    log: createLog({ level: 'error' }),
    signal: new AbortController().signal,
    async control(work) {
      const result = await work(db);
      if (begun || existsSync(join(stage.directory, 'backups', String(stage.names[0])))) return result;
      begun = true;
      await meanwhile();
      return result;
    },
  });
}

test('an expiry ends where another control database takes the repository over meanwhile', async (t) => {
  const stage = await retentionStage(t, { backups: 5 });
  await stage.policy({ keep_last: 1 });
  const taken = async () => {
    const owner = await readOwner(stage.directory);
    if (owner)
      await replaceOwner(stage.directory, {
        ...owner,
        token: randomUUID(),
        usedAt: '2099-01-01T00:00:00.000Z',
      });
  };
  await t.throwsAsync(expiryWith(t, stage, taken), { code: 'repository_used_elsewhere' });
  t.deepEqual(await stage.listed(), whole(stage.names.slice(1)));
  t.is((await stage.segments()).length, 10);
});

test('a restore from a copy elsewhere, which leaves its lease meanwhile, keeps its WAL, on the way to any timeline', async (t) => {
  const stage = await retentionStage(t, { backups: 5 });
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  // It was left days ago: nobody but such a restore goes there.
  const second = join(stage.directory, 'wal', '0000000200000000');
  const old = new Date(Date.now() - 3 * 86_400_000);
  await mkdir(second);
  await writeFile(join(stage.directory, 'wal', '00000002.history'), '1\t0/6000100\tx\n');
  await writeFile(join(stage.directory, 'wal', '00000003.history'), '1\t0/B000100\tx\n');
  const onSecond = ['000000020000000000000006.zst', '000000020000000000000007.zst'];
  for (const name of onSecond) {
    await writeFile(join(second, name), '');
    await utimes(join(second, name), old, old);
  }
  const directory = await temporaryDirectory(t);
  // It goes in this very expiry; the copy elsewhere stays.
  const backup = stage.names[0] ?? '';
  const of = {
    directory,
    backup,
    id: Number(backup.split('-')[1]),
    systemIdentifier,
    timeline: 1,
    startLsn: '0/4000028',
  };
  const place = { name: `${'0'.repeat(16)}-${backup}`, path: directory, isWhole: false };
  await expiryWith(t, stage, () => writeLease(stage.directory, place, { ...of, targetTimeline: 'latest' }));
  t.deepEqual(await stage.listed(), whole(stage.names.slice(4)));
  t.deepEqual(await stage.segments(), [4, 5, 6, 7, 8, 9, 10, 11].map(segment));
  t.deepEqual((await readdir(second)).sort(), onSecond);
});
