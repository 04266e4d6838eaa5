// A row of backup_schedule, and what becomes of it.
import test from 'ava';
import { eventually } from '../support/eventually.ts';
import { asRole } from '../support/installed-database.ts';
import { scene } from '../support/scene.ts';

test('what is due is requested with the rights of its owner, and noted', async (t) => {
  const it = await scene(t);
  const operator = await asRole(t, it.db, 'operator');
  await it.startWorker();
  await operator.query(
    `insert into holdfast.backup_schedule (name, cron, method, fast) values ('often', '*/2 * * * * *', 'hold', true)`,
  );
  const request = await eventually('there is a request', async () => {
    const [row] = await operator.query<{ id: string; requested_by: string; label: string }>(
      `select * from holdfast.backup_request where schedule = 'often'`,
    );
    return row;
  });
  t.is(request.requested_by, operator.role);
  t.regex(request.label, /^often \d{8}T\d{5}[02468]Z$/);
});
