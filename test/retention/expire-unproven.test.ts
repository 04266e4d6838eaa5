// Backups that nothing proves take no sound one's place: what only a requester speaks of, and what was found damaged.
import ava, { type ExecutionContext } from 'ava';
import { asRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { retentionStage, type RetentionStage } from '../support/retention-stage.ts';

/** Each has processes of its own. */
const test = ava.serial;

test('however many backups a requester says that he has copied, the copies in the repository stay', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 2, recovery_window: '0' });
  const requester = await asRole(t, stage.db, 'requester');
  const worker = await playWorker(t, stage.db);
  for (let n = 1; n <= 4; n += 1) await requestIn('complete', requester, worker);
  // Played ones begin where the first backup does: these are made after all others.
  await stage.superuser.query(
    `begin; set local session_replication_role = replica;
     update holdfast.backup_request set start_lsn = '0/A000028', start_wal = '00000001000000000000000A',
       stop_lsn = '0/A000138', stop_wal = '00000001000000000000000A' where method = 'hold';
     commit`,
  );
  const { goes, stays } = await stage.expired();
  t.deepEqual(
    goes.map(({ backup }) => backup),
    stage.names.slice(0, 2),
  );
  const reasons = stays.find(({ backup }) => backup === stage.names[2])?.reasons;
  t.deepEqual(reasons, ['it is one of the last 2 in the repository']);
});

async function foundDamaged(t: ExecutionContext, stage: RetentionStage, from: number): Promise<void> {
  const worker = await asRole(t, stage.db, 'worker');
  for (const [at, name] of stage.names.entries())
    if (at >= from)
      await worker.query(
        `insert into holdfast.backup_verification
           (request_id, cluster, backup, started_at, finished_at, ok, problems, files, bytes, segments)
         values ($1, 'main', $2, now(), now(), false, '{torn}', 0, 0, 0)`,
        [stage.ids[at], name],
      );
}

test('a backup that was found damaged takes no sound one’s place', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 1 });
  await foundDamaged(t, stage, 3);
  t.deepEqual(
    (await stage.expired()).stays.map(({ backup }) => backup),
    stage.names.slice(2),
  );
});

test('where all backups in the repository were found damaged none goes, nor any WAL after them', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  await foundDamaged(t, stage, 0);
  const requester = await asRole(t, stage.db, 'requester');
  await requestIn('complete', requester, await playWorker(t, stage.db));
  const { goes, stays } = await stage.expired();
  t.deepEqual(goes, []);
  t.deepEqual(stays[0]?.reasons, ['none is known to be sound that could take its place']);
  t.is((await stage.segments()).length, 8);
});
