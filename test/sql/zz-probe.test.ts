import test from 'ava';
import { setTimeout as sleep } from 'node:timers/promises';
import { asRole, installedDatabase } from '../support/installed-database.ts';
import { playWorker } from '../support/played-worker.ts';
import { connect } from '../support/sql-client.ts';
test('leak', async (t) => {
  t.timeout(300000);
  const db = await installedDatabase(t);
  const superuser = await connect(t, db.url);
  await playWorker(t, db);
  const requester = await asRole(t, db, 'requester');
  const where: Record<string, number> = {};
  for (let round = 0; round < 1500; round++) {
    const ended = requester.query('call holdfast.start_backup()').catch((e) => {
      const k =
        e.message.replace(/\d+/g, 'N') +
        ' @ ' +
        String(e.where)
          .split('\n')
          .map((s: string) => s.replace(/\(.*\)/, ''))
          .join(' <- ')
          .replace(/\d+/g, (s: string) => s);
      where[k] = (where[k] ?? 0) + 1;
    });
    let over = false;
    void ended.then(() => (over = true));
    await sleep(Math.random() * 12);
    await superuser.query('select pg_cancel_backend($1)', [requester.pid]);
    await Promise.race([ended, sleep(300)]);
    if (!over) {
      await superuser.query('select pg_cancel_backend($1)', [requester.pid]);
      await ended;
    }
  }
  t.log(where);
  t.log(await superuser.query(`select count(*), state from holdfast.backup_request group by 2`));
  t.pass();
});
