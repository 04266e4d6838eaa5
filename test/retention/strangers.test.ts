// What another control database has put into the repository counts for nothing here.
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { formatRepositoryBackup, parseRepositoryBackup } from '../../src/repository/repository-backup.ts';
import { retentionStage, type RetentionStage } from '../support/retention-stage.ts';

type Change = Partial<{ id: number; timeline: number; stoppedAt: string; startedAt: string }>;

async function rewrite(stage: RetentionStage, name: string, change: Change): Promise<void> {
  const file = join(stage.directory, 'backups', `${name}.meta`, 'backup.json');
  const backup = parseRepositoryBackup(file, await readFile(file));
  await writeFile(file, formatRepositoryBackup({ ...backup, ...change }));
}

test('copies that this database does not know take no place of those it knows', async (t) => {
  const stage = await retentionStage(t);
  const newest = String(stage.names.at(-1));
  for (const minute of [1, 2, 3]) {
    const startedAt = new Date(Date.now() - 600_000 + minute * 60_000).toISOString();
    const name = `${startedAt.replaceAll(/[-:]|\.\d+/g, '')}-${900 + minute}`;
    for (const suffix of ['', '.meta'])
      await cp(
        join(stage.directory, 'backups', newest + suffix),
        join(stage.directory, 'backups', name + suffix),
        { recursive: true },
      );
    await rewrite(stage, name, { id: 900 + minute, startedAt, stoppedAt: startedAt });
  }
  await stage.policy({ keep_last: 2 });
  const { goes, stays } = await stage.expired(['--dry-run']);
  t.deepEqual(
    goes.map(({ backup }) => backup),
    stage.names.slice(0, 2),
  );
  const [third] = stays.filter(({ backup }) => backup === stage.names[2]);
  t.true(third?.reasons.includes('it is one of the last 2'));
});

test('a copy of the same id, system and start is another backup where its timeline differs', async (t) => {
  const stage = await retentionStage(t);
  const [first = ''] = stage.names;
  await rewrite(stage, first, { timeline: 2 });
  await stage.policy({ keep_last: 1 });
  const { stays } = await stage.expired();
  const [stranger] = stays.filter(({ backup }) => backup === first);
  t.true(stranger?.reasons.includes('this database does not know it'));
  t.is(
    await stage.superuser.value('select expired_at from holdfast.backup_request where id = $1', [
      stage.ids[0],
    ]),
    null,
  );
});

test('a copy of the same id, system, start and timeline is another backup where its label differs', async (t) => {
  const stage = await retentionStage(t);
  const [first = ''] = stage.names;
  await writeFile(
    join(stage.directory, 'backups', `${first}.meta`, 'backup_label'),
    'START TIME: 2026-01-01 00:00:00 UTC\n',
  );
  await stage.policy({ keep_last: 1 });
  const { stays } = await stage.expired();
  const [stranger] = stays.filter(({ backup }) => backup === first);
  t.true(stranger?.reasons.includes('this database does not know it'));
});
