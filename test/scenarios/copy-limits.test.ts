// How many copies a requester may have under way, and how much of the disk they may take.
import { copyScene, noCopies } from '../support/copies.ts';
import { asRole } from '../support/installed-database.ts';
import { cancel, finish, request, stateOf } from '../support/requests.ts';
import { sharedCluster } from '../support/cluster.ts';
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
