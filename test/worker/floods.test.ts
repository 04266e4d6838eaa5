// Any role can send notifications, as many as it likes: each asks for a look, and the looks are few all the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asRole } from '../support/installed-database.ts';
import { noServerFiles } from '../support/cluster.ts';
import { finish, request } from '../support/requests.ts';
import { sceneOfItsOwn } from '../support/scene.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noServerFiles);

/** Milliseconds for which notifications are sent. */
const flood = 3000;
/** A second; without pauses there are hundreds. */
const few = 10;

test('a flood of forged notifications has the worker look a few times a second, and holds up no request', async (t) => {
  const it = await sceneOfItsOwn(t, { settings: { log_statement: 'all' } });
  await it.startWorker();
  const held = await request(it.client, { fast: true });
  await it.untilState(held, 'running');
  const log = join(String(it.db.cluster.dataDirectory), '..', 'server.log');
  const queries = { requested: 'with here as materialized', done: 'where id = $1' };
  const sent = (state: keyof typeof queries) =>
    readFileSync(log, 'utf8')
      .split(/\n(?=\d{4}-\d\d-\d\d )/)
      .filter((entry) => / holdfast worker LOG: {2}(?:execute|statement)/.test(entry))
      .filter((entry) => entry.includes(queries[state]) && !entry.includes('"callerGone"')).length;
  const nobody = await asRole(t, it.db);
  for (const state of ['requested', 'done'] as const) {
    const before = sent(state);
    let notifications = 0;
    for (const end = performance.now() + flood; performance.now() < end; notifications += 1)
      await nobody.query(`select pg_notify('holdfast_request', $1)`, [
        JSON.stringify({ id: Number(held), cluster: 'main', state, notifications }),
      ]);
    const looks = sent(state) - before;
    t.log(`${state}: ${looks} looks for ${notifications} notifications`);
    t.true(looks > 0 && looks < (few * flood) / 1000, `${looks} looks for ${notifications} notifications`);
  }
  await finish(it.client, held);
  await it.untilState(held, 'complete', { within: 5000 });
});
