// Two workers, neither of which knows of the other, and 200 requests at once.
import { noOwnCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { sceneOfItsOwn, type Scene } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noOwnCluster);
/** Every stop fills up a WAL segment. */
const smallSegments = { initdb: ['--wal-segsize=1'] };

const requests = 200;
const maxHeld = 12;

test('each of 200 requests runs once, with its own label, and both workers take part', async (t) => {
  const it = await sceneOfItsOwn(t, smallSegments);
  const env = { HOLDFAST_MAX_HELD: String(maxHeld) };
  const workers = await Promise.all([it.startWorker({ env }), it.startWorker({ env })]);
  await it.client.query(
    `insert into holdfast.backup_request (label, fast, wait_for_archive)
     select 'race ' || n, true, false from generate_series(1, ${requests}) n`,
  );

  let mostHeld = 0;
  await eventually(
    'every request is complete',
    async () => {
      mostHeld = Math.max(mostHeld, ...(await heldByEach(it)));
      await it.client.query(`update holdfast.backup_request set state = 'done' where state = 'running'`);
      return it.admin.value(
        `select count(*) = ${requests} from holdfast.backup_request where state = 'complete'`,
      );
    },
    { within: 90_000 },
  );

  t.true(mostHeld > 1 && mostHeld <= maxHeld, `a worker held up to ${mostHeld}`);
  t.is(await it.admin.value(notRunExactlyOnce), '0');
  t.is(await it.admin.value(labelsOfOthers), '0');
  const each = await it.admin.query<{ worker: string; ran: string }>(
    `select worker, count(*) as ran from holdfast.backup_request group by worker`,
  );
  t.is(each.length, workers.length, JSON.stringify(each));
  t.log(each.map(({ worker, ran }) => `${worker}: ${ran}`).join(', '), `most held: ${mostHeld}`);
});

test('the sessions that a race has lost are closed', async (t) => {
  const it = await sceneOfItsOwn(t, smallSegments);
  await Promise.all([it.startWorker(), it.startWorker()]);
  await it.client.query(
    `insert into holdfast.backup_request (label, fast) select 'n' || n, true from generate_series(1, 8) n`,
  );
  await eventually('all are running', () =>
    it.admin.value(`select count(*) = 8 from holdfast.backup_request where state = 'running'`),
  );
  // Each worker keeps a spare.
  await eventually('as many sessions as there are backups, and two spares', () =>
    it.admin.value(
      `select count(*) = 8 + 2 from pg_stat_activity
       where datname = current_database() and application_name = 'holdfast backup session'`,
    ),
  );
  t.pass();
});

function heldByEach(it: Scene): Promise<number[]> {
  return it.admin
    .query<{ held: string }>('select held from holdfast.worker_status')
    .then((rows) => rows.map(({ held }) => Number(held)));
}

const notRunExactlyOnce = `
  select count(*) from (
    select from holdfast.backup_event group by request_id
    having array_agg(to_state order by id)
      <> array['requested', 'starting', 'running', 'done', 'archiving', 'complete']) wrong`;

const labelsOfOthers = `
  select count(*) from holdfast.backup_request
  where backup_label not like E'%\\nLABEL: ' || label || E'\\n%'`;
