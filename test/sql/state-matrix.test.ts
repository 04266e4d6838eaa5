// Every move between any two states by every kind of mover: allowed exactly where state_transition has it.
import test, { type ExecutionContext } from 'ava';
import { asRole, installedDatabase, type InstalledDatabase } from '../support/installed-database.ts';
import { moveTo, playWorker, type PlayedWorker } from '../support/played-worker.ts';
import { requestIn, backupStates, type BackupState } from '../support/requests.ts';
import { connect, type SqlClient } from '../support/sql-client.ts';

const asDesigned = [
  'requested → starting by worker',
  'starting → running by worker',
  'running → done by client',
  'running → done by worker',
  'done → archiving by worker',
  'archiving → complete by worker',
  'requested → cancelled by client',
  'starting → cancelled by client',
  'running → cancelled by client',
  'requested → failed by worker',
  'starting → failed by worker',
  'running → failed by worker',
  'done → failed by worker',
  'archiving → failed by worker',
  'archiving → failed by operator',
];

test('state_transition has the moves of the design and no others', async (t) => {
  const client = await connect(t, (await installedDatabase(t)).url);
  const moves = await client.query<{ move: string }>(
    `select from_state || ' → ' || to_state || ' by ' || mover as move from holdfast.state_transition`,
  );
  t.deepEqual(moves.map(({ move }) => move).sort(), [...asDesigned].sort());
});

test('a requester makes the moves of a client, and no others', async (t) => {
  const stage = await setUp(t);
  await tryAll(t, stage, stage.requester, ['client']);
});

test('an operator makes the moves of a client and of an operator, and no others', async (t) => {
  const stage = await setUp(t);
  await tryAll(t, stage, await asRole(t, stage.db, 'operator'), ['client', 'operator']);
});

test('a worker makes the moves of a worker, and no others', async (t) => {
  const stage = await setUp(t);
  await tryAll(t, stage, stage.worker.client, ['worker'], moveTo);
});

test('a superuser makes the moves of an operator, and no others', async (t) => {
  const stage = await setUp(t);
  await tryAll(t, stage, await connect(t, stage.db.url), ['client', 'operator']);
});

test('a superuser who plays the worker makes the moves of a worker, and no others', async (t) => {
  const stage = await setUp(t, { superuser: true });
  await tryAll(t, stage, stage.worker.client, ['worker'], moveTo);
});

const nobodys = [null, '', 'Running', 'running ', 'finished'];
test('a state that there is not is refused from every state', async (t) => {
  const { requester, requests } = await setUp(t);
  for (const [from, id] of requests) {
    for (const to of nobodys) {
      const move = requester.query('update holdfast.backup_request set state = $2 where id = $1', [id, to]);
      const message = `backup request ${id} cannot move from ${from} to ${to ?? 'null'}`;
      await t.throwsAsync(move, { code: 'HF001', message });
    }
  }
});

interface Stage {
  db: InstalledDatabase;
  requester: SqlClient;
  worker: PlayedWorker;
  /** One request in every state, all the requester's. */
  requests: [BackupState, string][];
}

async function setUp(t: ExecutionContext, { superuser = false } = {}): Promise<Stage> {
  const db = await installedDatabase(t);
  const requester = await asRole(t, db, 'requester');
  const worker = await playWorker(t, db, superuser ? { url: db.url } : {});
  const requests: Stage['requests'] = [];
  for (const state of backupStates) requests.push([state, await requestIn(state, requester, worker)]);
  return { db, requester, worker, requests };
}

const bareMove = (to: string) => `update holdfast.backup_request set state = '${to}' where id = $1`;

/** Each move in a transaction that is rolled back, so that the requests stay where they are. */
async function tryAll(
  t: ExecutionContext,
  { requests }: Stage,
  mover: SqlClient,
  movers: string[],
  statement: (to: string) => string = bareMove,
): Promise<void> {
  for (const [from, id] of requests) {
    for (const to of backupStates.filter((state) => state !== from)) {
      const move = async () => (await mover.query(`${statement(to)} returning state`, [id]))[0];
      await mover.query('begin');
      if (movers.some((name) => asDesigned.includes(`${from} → ${to} by ${name}`))) {
        t.deepEqual(await move(), { state: to }, `${from} → ${to}`);
      } else {
        const message = `backup request ${id} cannot move from ${from} to ${to}`;
        const error = await t.throwsAsync(move(), { code: 'HF001', message });
        t.regex((error as { detail?: string }).detail ?? '', explanation(from), `${from} → ${to}`);
      }
      await mover.query('rollback');
    }
  }
}

function explanation(from: BackupState): RegExp {
  const over = ['complete', 'failed', 'cancelled'].includes(from);
  return over
    ? new RegExp(`^It is ${from}: that never changes again`)
    : new RegExp(`^From ${from}, you may move`);
}
