// How many copies a requester may have under way, and how much of the disk they may take.
import { copyScene, noCopies } from '../support/copies.ts';
import { asRole } from '../support/installed-database.ts';
import { cancel, finish, request, stateOf } from '../support/requests.ts';
import { sharedCluster } from '../support/cluster.ts';
import { noSmallDisk, smallDisk } from '../support/small-disk.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noCopies).serial;

/** Bytes a second: slow enough not to end while a test looks. */
const slowly = { method: 'copy', fast: true, rate_limit: 1_000_000 };

test('a requester has one copy of a cluster under way; others, and backups that are held, go on', async (t) => {
  const scene = await copyScene(t, { cluster: await sharedCluster() });
  const { admin, client, db, startCopier, untilState } = scene;
  await startCopier();
  await startCopier();
  const first = await request(client, slowly);
  const second = await request(client, slowly);
  const held = await request(client, { fast: true });
  const other = await asRole(t, db, 'requester');
  const theirs = await request(other, slowly);

  for (const id of [first, held, theirs]) await untilState(id, 'running');
  t.is(await stateOf(admin, second), 'requested');
  t.regex(String((await scene.status(second))?.waiting_for), /^another copy of its requester to end/);
  await finish(client, held);
  await untilState(held, 'complete');
  t.is(await stateOf(admin, second), 'requested', 'a session was free');

  await cancel(client, first);
  await untilState(second, 'running');
  for (const id of [second, theirs]) await cancel(admin, id);
});

test('max_copies_per_requester is how many', async (t) => {
  const { admin, client, startCopier, untilState } = await copyScene(t, { cluster: await sharedCluster() });
  await startCopier({ HOLDFAST_MAX_COPIES_PER_REQUESTER: '2' });
  const ids = [await request(client, slowly), await request(client, slowly), await request(client, slowly)];
  const [first = '', second = '', third = ''] = ids;
  for (const id of [first, second]) await untilState(id, 'running');
  t.is(await stateOf(admin, third), 'requested');
  await cancel(client, second);
  await untilState(third, 'running');
  for (const id of [first, third]) await cancel(client, id);
});

const onSmallDisk = testWhen(noCopies, noSmallDisk).serial;

onSmallDisk(
  'no copy starts that would take from the reserve for WAL, and the figures are named',
  async (t) => {
    const disk = await smallDisk(t, '1000m');
    const it = await copyScene(t, { cluster: await sharedCluster(), repository: disk.directory });
    await it.startCopier();
    const refused = await it.untilState(await it.requestCopy(), 'failed');
    t.is(refused.error_code, 'no_room_for_copy');
    t.regex(
      String(refused.error),
      /^the repository has \d+ MB free: a copy of \d+ MB takes [\d.]+ MB at best, and 1\.0 GB are kept for WAL$/,
    );
    t.regex(String(refused.hint), /wal_reserve/);
    t.is(refused.start_lsn, null);
    await disk.resize('2g');
    await it.copy();
    await disk.resize('1g');
    const again = await it.untilState(await it.requestCopy(), 'failed');
    t.regex(String(again.error), /takes [\d.]+ MB if it is compressed like the last one/);
  },
);

onSmallDisk('a copy that comes to the reserve for WAL ends, and leaves nothing of itself', async (t) => {
  const disk = await smallDisk(t, '1g');
  const it = await copyScene(t, { cluster: await sharedCluster(), repository: disk.directory });
  await it.startCopier({ HOLDFAST_WAL_RESERVE: '900MB' });
  const id = await it.requestCopy({ rate_limit: 1_000_000 });
  await it.untilState(id, 'running');
  await disk.resize('900m');
  const row = await it.untilState(id, 'failed');
  t.is(row.error_code, 'no_room_for_copy');
  t.regex(String(row.error), /^the repository has \d+ MB free, and 900 MB are kept for WAL$/);
  t.deepEqual(await it.names(), []);
});
