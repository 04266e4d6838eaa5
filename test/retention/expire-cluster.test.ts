// `holdfast expire`: what goes and what stays, and what stands in its way.
import { mkdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ava from 'ava';
import { runProcess } from '../../dev/harness/children.ts';
import { asRole } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { requestIn } from '../support/requests.ts';
import { retentionStage, segment, type Expired, type RetentionStage } from '../support/retention-stage.ts';

/** Each has processes of its own. */
const test = ava.serial;
const two = { keep_last: 2 };

const whole = (names: string[]) => names.flatMap((name) => [name, `${name}.meta`]).sort();

test('what the policy does not keep goes with its WAL, and rows say when and why', async (t) => {
  const stage = await retentionStage(t);
  const { names, ids, operator } = stage;
  await stage.policy(two);
  const would = await stage.expired(['--dry-run']);
  t.deepEqual(await stage.listed(), whole(names));
  t.is((await stage.segments()).length, 8);

  const did = await stage.expired();
  t.deepEqual(did, { ...would, dry_run: false, bytes: (did as unknown as { bytes: number }).bytes });
  t.deepEqual(
    did.goes.map(({ backup }) => backup),
    names.slice(0, 2),
  );
  t.deepEqual(await stage.listed(), whole(names.slice(2)));
  t.deepEqual(await stage.segments(), [6, 7, 8, 9].map(segment));
  t.deepEqual(
    did.wal_goes.map(({ start_wal, end_wal, files }) => [start_wal, end_wal, files]),
    [[segment(2), segment(5), 4]],
  );
  const rows = await operator.query(
    `select backup, request_id, method, reason, policy->>'keep_last' n, removed_at is not null gone, error
     from holdfast.backup_expiry order by id`,
  );
  t.deepEqual(
    rows.map((row) => [row['backup'], row['request_id'], row['n'], row['gone'], row['error']]),
    names.slice(0, 2).map((name, at) => [name, ids[at], '2', true, null]),
  );
  t.regex(String(rows[0]?.['reason']), /^it is number 4 from the newest, and 2 are kept$/);
  const gone = await operator.query(
    'select id from holdfast.backup_request where expired_at is not null order by id',
  );
  t.deepEqual(
    gone.map(({ id }) => id),
    ids.slice(0, 2),
  );
  t.is(await operator.value('select sum(files)::int from holdfast.wal_expiry'), 4);
  t.deepEqual((await stage.expired()).goes, []);
});

test('without a policy, or with one that is not enabled, nothing goes', async (t) => {
  const stage = await retentionStage(t);
  t.is((await stage.expired()).policy, null);
  await stage.policy({ ...two, enabled: false });
  const { stdout, status } = await stage.expire();
  t.is(status, 0);
  t.regex(stdout, /cluster main has no retention policy that is enabled: nothing expires/);
  t.deepEqual(await stage.listed(), whole(stage.names));
  t.is((await stage.segments()).length, 8);
});

/** Each makes something unreadable, and says what the program then complains of. */
const obstacles: Record<string, [(stage: RetentionStage) => Promise<unknown>, RegExp]> = {
  'the policies may not be read': [
    async ({ superuser }) =>
      superuser.query('revoke select on holdfast.retention_policy from holdfast_reader'),
    /permission denied for table retention_policy/,
  ],
  'the table is gone': [
    async ({ superuser }) => superuser.query('drop table holdfast.legal_hold cascade'),
    /relation "holdfast.legal_hold" does not exist/,
  ],
  "a backup's description is damaged": [
    ({ directory, names }) =>
      writeFile(join(directory, 'backups', `${names[3]}.meta`, 'backup.json'), '{"id":'),
    /description cannot be read.*is not JSON/,
  ],
  "a backup's description is missing": [
    ({ directory, names }) => rm(join(directory, 'backups', `${names[3]}.meta`), { recursive: true }),
    /description cannot be read.*\.meta" is missing/,
  ],
  'it is not known whose repository it is': [
    ({ directory }) => writeFile(join(directory, 'cluster.json'), 'nothing'),
    /cluster\.json" is not JSON/,
  ],
  'a timeline history is damaged': [
    ({ directory }) => writeFile(join(directory, 'wal', '00000002.history'), 'x y z'),
    /WAL archive in .* cannot be read/,
  ],
  'a timeline history is empty': [
    ({ directory }) => writeFile(join(directory, 'wal', '00000002.history'), ''),
    /00000002\.history" is damaged: it names no timeline/,
  ],
};
for (const [title, [hinder, complaint]] of Object.entries(obstacles)) {
  test(`nothing goes when ${title}`, async (t) => {
    const stage = await retentionStage(t);
    await stage.policy(two);
    await hinder(stage);
    const before = await stage.listed();
    const { status, stderr } = await stage.expire();
    t.is(status, 1);
    t.regex(stderr, complaint);
    t.deepEqual(await stage.listed(), before);
    t.is((await stage.segments()).length, 8);
  });
}

test('nothing goes while the database is down, nor where the repository is not to be seen', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy(two);
  const { status } = await stage.expire(['--database-url', 'postgres://nobody@127.0.0.1:1/nothing']);
  t.is(status, 1);
  t.deepEqual(await stage.listed(), whole(stage.names));
  await rename(stage.directory, `${stage.directory}.elsewhere`);
  const unmounted = await stage.expire();
  t.is(unmounted.status, 1);
  t.regex(unmounted.stderr, /is not a repository, and backup \d+ was copied to one/);
});

test('what is kept or under legal hold stays, with its own WAL, until that is over', async (t) => {
  const stage = await retentionStage(t);
  const { names, ids, operator } = stage;
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  await operator.query('update holdfast.backup_request set keep = true where id = $1', [ids[0]]);
  await operator.query(`insert into holdfast.legal_hold (request_id, reason) values ($1, 'case 7')`, [
    ids[1],
  ]);
  const first = await stage.expired();
  t.deepEqual(
    first.stays.map(({ backup, reasons }) => [backup, reasons[0]]),
    [
      [names[0], 'keep is set'],
      [names[1], 'it is under legal hold: case 7'],
      [names[3], 'it is the newest'],
    ],
  );
  t.deepEqual(await stage.segments(), [2, 4, 8, 9].map(segment));
  await operator.query('update holdfast.legal_hold set released = true');
  t.deepEqual(
    (await stage.expired()).goes.map(({ backup }) => backup),
    [names[1]],
  );
  t.deepEqual(await stage.segments(), [2, 8, 9].map(segment));
  await t.throwsAsync(
    operator.query(`insert into holdfast.legal_hold (request_id, reason) values ($1, 'late')`, [ids[1]]),
    { message: /has expired: its files are gone/ },
  );
  await t.throwsAsync(
    operator.query('update holdfast.backup_request set keep = true where id = $1', [ids[1]]),
    {
      message: /has expired: its files are gone/,
    },
  );
});

test('whoever is about to keep a backup has its row locked, and it stays: the expiry fails, and names the session', async (t) => {
  const stage = await retentionStage(t);
  const { names, ids, operator } = stage;
  await stage.policy(two);
  await operator.query('begin');
  await operator.query('update holdfast.backup_request set keep = true where id = $1', [ids[0]]);
  const { status, stdout } = await stage.expire(['--json']);
  const [{ goes, stays, problems }] = JSON.parse(stdout) as [Expired];
  t.deepEqual(
    goes.map(({ backup }) => backup),
    [names[1]],
  );
  const locked = `backup request ${ids[0]} is kept locked by backend ${operator.pid} of role "${operator.role}"; End that session with pg_terminate_backend: the backup and the WAL after it stay until then.`;
  t.deepEqual([status, stays[0]?.reasons, problems], [1, [locked], [locked]]);
  await operator.query('commit');
  t.true((await stage.listed()).includes(String(names[0])));
});

test('"latest" never names a backup that goes', async (t) => {
  const stage = await retentionStage(t);
  const link = join(stage.directory, 'latest');
  await rm(link);
  const { status } = await runProcess('ln', ['-s', join('backups', String(stage.names[0])), link]);
  t.is(status, 0);
  await stage.policy(two);
  await stage.expired();
  t.is(await readlink(link), join('backups', String(stage.names[3])));
});

test('while a backup starts no WAL goes, and while one runs none from its start on', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy({ keep_last: 1, recovery_window: '0' });
  await requestIn('starting', stage.operator, await playWorker(t, stage.db), { label: 'starting' });
  const { wal_stays: waiting } = await stage.expired();
  t.is((await stage.segments()).length, 8);
  t.true(waiting.some(({ reason }) => /is starting: it is not known where it begins/.test(reason)));
  await stage.superuser.query('set session_replication_role = replica');
  // A long one, which began before the newest that is complete.
  await stage.superuser.query(
    `update holdfast.backup_request set state = 'running', start_lsn = '0/6000100', start_wal = $1, timeline = 1,
       system_identifier = 7000000000000000001, server_version = '18', started_at = now() where label = 'starting'`,
    [segment(6)],
  );
  await stage.expired();
  t.deepEqual(await stage.segments(), [6, 7, 8, 9].map(segment));
});

test('a backup that this database knows nothing of goes only when it is asked for', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy(two);
  await stage.superuser.query('set session_replication_role = replica');
  await stage.superuser.query('delete from holdfast.backup_request where id = $1', [stage.ids[0]]);
  const { stays } = await stage.expired();
  t.deepEqual(stays[0]?.reasons, ['this database does not know it']);
  t.deepEqual(
    (await stage.expired(['--unknown'])).goes.map(({ backup }) => backup),
    [stage.names[0]],
  );
});

test('copies that somebody else made go through the delete command, and their WAL after them', async (t) => {
  const stage = await retentionStage(t, { method: 'hold' });
  await stage.policy(two);
  const { stays } = await stage.expired();
  t.deepEqual(stays[0]?.reasons, ['no delete_command is configured for cluster main']);
  t.is((await stage.segments()).length, 8);

  const told = join(stage.repository, 'told');
  const script = join(stage.repository, 'delete.sh');
  await writeFile(
    script,
    `printf '%s|%s|%s\\n' "$1" "$HOLDFAST_EXPIRED_ID" "$HOLDFAST_EXPIRED_LABEL" >> "${told}"\n[ ! -e "${told}.fail" ] || { echo "the array is busy"; exit 3; }\n`,
  );
  const env = { HOLDFAST_CLUSTER_MAIN_DELETE_COMMAND: JSON.stringify(['sh', script, 'a b']) };
  await mkdir(`${told}.fail`);
  const failing = await stage.expire([], env);
  t.is(failing.status, 1);
  t.regex(
    failing.stdout,
    /the delete_command failed for backup \d+ "backup 1": it ended with 3: the array is busy/,
  );
  t.is((await stage.segments()).length, 8);
  t.is(
    await stage.operator.value('select count(*)::int from holdfast.backup_expiry where error is not null'),
    2,
  );

  await rm(`${told}.fail`, { recursive: true });
  t.is((await stage.expired([], env)).goes.length, 2);
  t.deepEqual((await readFile(told, 'utf8')).trim().split('\n').slice(-2), [
    `a b|${stage.ids[0]}|backup 1`,
    `a b|${stage.ids[1]}|backup 2`,
  ]);
  t.deepEqual(await stage.segments(), [6, 7, 8, 9].map(segment));
  t.deepEqual((await stage.expired([], env)).goes, []);
});

test('a reader may see what would go, and remove nothing', async (t) => {
  const stage = await retentionStage(t);
  await stage.policy(two);
  const reader = await asRole(t, stage.db, 'reader');
  const dry = await stage.expire(['--dry-run', '--database-url', reader.url]);
  t.is(dry.status, 0);
  t.regex(dry.stdout, /2 backups and 4 WAL files would go; 2 backups stay/);
  t.regex(dry.stdout, / goes {2}WAL \w+ to \w+ \(4 segments\): /);
  const { status, stderr } = await stage.expire(['--database-url', reader.url]);
  t.is(status, 1);
  t.regex(stderr, /permission denied for function want_token/);
  t.deepEqual(await stage.listed(), whole(stage.names));
});
