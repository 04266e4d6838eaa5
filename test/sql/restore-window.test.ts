// restore_window on a cluster that was restored once: what each timeline can reach, and which side of a hole on the
// older one the newer one came from.
import test, { type ExecutionContext } from 'ava';
import { normalLsn } from '../../src/postgres/lsn.ts';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { holdfast } from '../support/process.ts';
import { requestIn } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';

/** On timeline 1, segments 1 to 3 and 5 to 6; timeline 2 has 3 or 6 to 9, as it branched off there. */
const [before, behind] = [1, 5];

test('a timeline that branched off before the hole is restorable from the backup there; the hole is the old one’s', async (t) => {
  const it = await setup(t);
  await it.backupIn(before, '2026-03-01 10:00', '0/1800000');
  await it.branch(before, '0/3400000');
  t.deepEqual(await it.windows(), [
    { timeline: 1, from: '0/1800000', to: '0/4000000', up_to_date: false, holes: [segment(1, 4)] },
    { timeline: 2, from: '0/1800000', to: '0/A000000', up_to_date: true, holes: null },
  ]);
  t.deepEqual(await it.check(), [
    `warning  cluster main, timeline 1: WAL is missing: ${segment(1, 4)}`,
    'ok       cluster main, timeline 1: restorable',
    'ok       cluster main, timeline 2: restorable',
  ]);
});

test('one that branched off behind the hole cannot be reached from before it, and asks for a backup', async (t) => {
  const it = await setup(t);
  await it.backupIn(before, '2026-03-01 10:00', '0/1800000');
  await it.branch(behind, '0/6400000');
  const [old, young] = await it.windows();
  t.like(old, { from: '0/1800000', to: '0/4000000', up_to_date: false });
  t.deepEqual(young, { timeline: 2, from: null, to: null, up_to_date: false, holes: null });
  t.true(
    (await it.check()).includes(
      'critical cluster main, timeline 2: its WAL is archived, and there is no backup to restore it from: take one with "holdfast start --method copy"',
    ),
  );

  await it.backupIn(behind, '2026-03-01 12:00', '0/5800000');
  const [oldNow, youngNow] = await it.windows();
  t.like(oldNow, { from: '0/1800000', to: '0/7000000', up_to_date: true, holes: [segment(1, 4)] });
  t.like(youngNow, { from: '0/5800000', to: '0/A000000', up_to_date: true });
});

test('a backup that ended after the switch is the old timeline’s only', async (t) => {
  const it = await setup(t);
  await it.backupIn(behind, '2026-03-01 12:00', '0/6800000');
  await it.branch(behind, '0/6400000');
  const [old, young] = await it.windows();
  t.like(old, { from: '0/6800000', to: '0/7000000', up_to_date: true });
  t.like(young, { from: null, up_to_date: false });
});

test('what leads from a copy that others made only is said to be for a restore by hand', async (t) => {
  const it = await setup(t);
  await it.branch(behind, '0/6400000');
  await it.heldIn('0/5200000', '2026-03-01 11:00', '0/5400000');
  t.like((await it.windows())[1], { from: '0/5400000', to: '0/A000000' });
  const byHand = 'by hand, from copies that others made (docs/restore-by-hand.md)';
  t.true((await it.said(2)).endsWith(', by hand: from copies that others made (docs/restore-by-hand.md)'));
  await it.backupIn(behind, '2026-03-01 12:00', '0/5800000');
  t.like((await it.windows())[1], { from: '0/5400000' });
  t.regex(await it.said(2), /^restorable from 2026-03-01T1\d:00:00Z to \S+; before 2026-03-01T1\d:00:00Z /);
  t.true((await it.said(2)).endsWith(byHand));
});

async function setup(t: ExecutionContext) {
  const db = await installedDatabase(t);
  const { url } = db;
  const client = await connect(t, url);
  const run = (timeline: number, first: number, last: number, more: Record<string, unknown> = {}) => {
    const row = {
      cluster: 'main',
      timeline,
      start_wal: segment(timeline, first),
      end_wal: segment(timeline, last),
      start_lsn: lsn(first),
      end_lsn: lsn(last + 1),
      last_archived_at: `2026-03-0${timeline} 20:00`,
      ...more,
    };
    const places = Object.keys(row).map((_, n) => `$${n + 1}`);
    return client.query(
      `insert into holdfast.archived_wal (${Object.keys(row).join(', ')}) values (${places.join(', ')})`,
      Object.values(row),
    );
  };
  await run(1, before, 3);
  await run(1, behind, 6, { missing_from: segment(1, 4), missing_to: segment(1, 4) });

  return {
    /** The oldest backup whose WAL begins in that run of timeline 1. */
    backupIn: (first: number, at: string, end: string) =>
      client.query(
        `update holdfast.archived_wal set restorable_from = $2, restorable_from_lsn = $3
         where timeline = 1 and start_wal = $1`,
        [segment(1, first), at, end],
      ),
    /** A copy that somebody else made on timeline 1. */
    async heldIn(start: string, at: string, end: string) {
      const id = await requestIn('complete', await asRole(t, db, 'operator'), await playWorker(t, db));
      await client.query('begin');
      await client.query('set local session_replication_role = replica');
      await client.query(
        `update holdfast.backup_request set timeline = 1, start_lsn = $2, stopped_at = $3, stop_lsn = $4 where id = $1`,
        [id, start, at, end],
      );
      await client.query('commit');
    },
    /** What check says of the range of a timeline. */
    async said(timeline: number) {
      const { stdout } = await holdfast(['check'], { url });
      return new RegExp(`timeline ${timeline}: (restorable .*)$`, 'm').exec(stdout)?.[1] ?? stdout;
    },
    /** Timeline 2 continues that run from there. */
    branch: (first: number, at: string) =>
      run(2, Number(at.slice(2, 3)), 9, {
        follows_timeline: 1,
        follows_wal: segment(1, first),
        switch_lsn: at,
      }),
    async windows() {
      const rows = await client.query<{ from: string | null; to: string }>(
        `select timeline, earliest_lsn::text as "from", latest_lsn::text as "to", up_to_date, holes
         from holdfast.restore_window order by timeline`,
      );
      return rows.map(({ from, to, ...row }) => ({
        ...row,
        from: from && normalLsn(from),
        to: normalLsn(to),
      }));
    },
    /** What is said of timelines, without the times. */
    async check() {
      const { stdout } = await holdfast(['check'], { url });
      const lines = stdout
        .split('\n')
        .filter((line) => / timeline \d: /.test(line) && !line.startsWith('HOLDFAST'));
      return lines.map((line) => line.replace(/restorable from .*/, 'restorable'));
    },
  };
}

function segment(timeline: number, n: number): string {
  return `0000000${timeline}000000000000000${n.toString(16).toUpperCase()}`;
}

function lsn(n: number): string {
  return `0/${n.toString(16).toUpperCase()}000000`;
}
