// A pooler in between gives the session to somebody else when it likes: found out before anything is promised.
import type { ExecutionContext } from 'ava';
import { untilState } from '../support/backups.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { noPgbouncer, pooled } from '../support/pgbouncer.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { testWhen } from '../support/test-when.ts';

const test = testWhen(noPgbouncer);

for (const mode of ['transaction', 'session'] as const) {
  test(`a worker whose control database is behind a ${mode}-mode pooler refuses to start`, async (t) => {
    const db = await installedDatabase(t);
    const url = await pooled(t, db.url, mode);
    const env = { HOLDFAST_LABELS: await temporaryDirectory(t) };
    const { status, stderr } = await holdfast(['worker'], { url, env });
    t.is(status, 2, stderr);
    t.regex(stderr, /reached through a connection pooler/);
    t.regex(stderr, /connect the worker to PostgreSQL itself/);
    await nothingIsLeft(t, db.url, url);
  });

  test(`a cluster behind a ${mode}-mode pooler is refused, and leaves no trace in the pool`, async (t) => {
    const db = await installedDatabase(t);
    const url = await pooled(t, db.url, mode);
    await startWorkerProcess(t, { url: db.url, config: `[cluster.main]\nurl = "${url}"\n` });
    const client = await connect(t, db.url);
    const refused = await untilState(client, await request(client), 'failed', { within: 5000 });
    t.is(refused.error_code, 'pooler');
    t.regex(String(refused.hint), /PostgreSQL itself/);
    t.is(refused.start_lsn, null);

    await nothingIsLeft(t, db.url, url);
  });
}

/** Whoever gets the pool's server connection next would inherit what was set in it, or locked. */
async function nothingIsLeft(t: ExecutionContext, direct: string, pool: string): Promise<void> {
  const client = await connect(t, direct);
  const next = await connect(t, pool);
  const setting = 'show tcp_keepalives_idle';
  t.is(await next.value(setting), await client.value(setting));
  const locks = `select l.pid from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and a.datname = current_database() and a.application_name <> 'holdfast worker'`;
  t.deepEqual(await client.query(locks), []);
}
