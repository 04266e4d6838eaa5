// What is not in the repository has nothing but its requester's word: it evicts nobody else's.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { retentionStage } from '../support/retention-stage.ts';

test("three empty holds of one requester evict nobody else's", async (t) => {
  const stage = await retentionStage(t, { backups: 6, method: 'hold' });
  const { names, ids, superuser } = stage;
  await superuser.query('set session_replication_role = replica');
  await superuser.query(`update holdfast.backup_request set schedule = 'nightly' where id = any ($1)`, [
    ids.slice(0, 3),
  ]);
  const told = join(stage.repository, 'told');
  await writeFile(told, '');
  const env = {
    HOLDFAST_CLUSTER_MAIN_DELETE_COMMAND: JSON.stringify([
      'sh',
      '-c',
      `echo "$HOLDFAST_EXPIRED_ID" >> ${told}`,
    ]),
  };
  const reasonsOf = async (columns: object) => {
    await stage.policy({ ...columns });
    const { goes, stays } = await stage.expired(['--dry-run'], env);
    const reasons = new Map(stays.map((one) => [one.backup, one.reasons]));
    return { goes: goes.map(({ backup }) => backup), reasons: (n: number) => reasons.get(String(names[n])) };
  };

  const last = await reasonsOf({ keep_last: 3, recovery_window: '0' });
  t.deepEqual(last.goes, []);
  t.deepEqual(last.reasons(0), ['it is one of the last 3 of schedule nightly']);
  t.deepEqual(last.reasons(3), ['it is one of the last 3']);

  const window = await reasonsOf({ recovery_window: '12 hours' });
  t.deepEqual(
    window.goes,
    [0, 1, 3].map((n) => names[n]),
  );
  t.deepEqual(window.reasons(2), [
    'it is the newest of schedule nightly',
    'it is the newest that leads to timeline 1, of schedule nightly',
    'recovery_window begins with it on timeline 1, of schedule nightly',
  ]);

  await stage.policy({ keep_last: 1, recovery_window: '0' });
  const { goes } = await stage.expired([], env);
  t.deepEqual(
    goes.map(({ backup }) => backup),
    [0, 1, 3, 4].map((n) => names[n]),
    'of each the newest stays',
  );
});

test('holds whose WAL was not in the archive take no place of those that can be restored', async (t) => {
  const stage = await retentionStage(t, { backups: 4, method: 'hold' });
  await stage.superuser.query('set session_replication_role = replica');
  await stage.superuser.query('update holdfast.backup_request set archive_seen = false where id = any ($1)', [
    stage.ids.slice(2),
  ]);
  await stage.policy({ keep_last: 2, recovery_window: '0' });
  const { goes, stays } = await stage.expired(['--dry-run'], {
    HOLDFAST_CLUSTER_MAIN_DELETE_COMMAND: '["true"]',
  });
  t.deepEqual(
    goes.map(({ backup }) => backup),
    [stage.names[2]],
  );
  t.deepEqual(
    stays.map(({ backup, reasons }) => [backup, reasons[0]]),
    [
      [stage.names[0], 'it is one of the last 2'],
      [stage.names[1], 'it is the newest that is sound'],
      [stage.names[3], 'it is the newest'],
    ],
  );
});
