import test from 'ava';
import { eventually } from '../../support/eventually.ts';
import { installedDatabase } from '../../support/installed-database.ts';
import { holdfast } from '../../support/process.ts';
import { connect } from '../../support/sql-client.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

test('label and place each name themselves in application_name', async (t) => {
  const db = await installedDatabase(t);
  const [locker, client] = [await connect(t, db.url), await connect(t, db.url)];
  const directory = await temporaryDirectory(t);
  for (const [command, option] of [
    ['label', '--to'],
    ['place', '--data-directory'],
  ] as const) {
    await locker.query('begin');
    await locker.query('lock table holdfast.backup_request');
    const ended = holdfast([command, '7', option, directory], {
      url: db.url,
      env: { HOLDFAST_LABELS: directory, HOLDFAST_REPOSITORY: directory },
    });
    await eventually(`${command} waits for the lock`, () =>
      client.value(
        `select count(*) = 1 from pg_stat_activity
         where application_name = $1 and datname = current_database() and wait_event_type = 'Lock'`,
        [`holdfast ${command}`],
      ),
    );
    await locker.query('rollback');
    t.is((await ended).status, 1);
  }
});
