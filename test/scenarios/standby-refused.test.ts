// A cluster whose url leads to a standby: its requests are refused at once, until it is promoted.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { completeBackup, startBackup, untilState } from '../support/backups.ts';
import { noServerFiles, ownCluster } from '../support/cluster.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { startWorkerProcess } from '../support/process.ts';
import { request } from '../support/requests.ts';
import { connect } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';

testWhen(noServerFiles)(
  'a standby is refused before anything is done to it, and served once promoted',
  async (t) => {
    const standby = await ownCluster(t);
    await standby.stop();
    await writeFile(join(String(standby.dataDirectory), 'standby.signal'), '');
    await standby.start();
    const db = await installedDatabase(t);
    const config = `[cluster.main]\nurl = "${standby.url()}"\n`;
    await startWorkerProcess(t, { url: db.url, config });
    const client = await connect(t, db.url);

    for (const method of ['hold', 'copy']) {
      const refused = await untilState(client, await request(client, { method }), 'failed', { within: 5000 });
      t.is(refused.error_code, 'in_recovery', method);
      t.is(refused.error, 'the server is a standby');
      t.regex(String(refused.hint), /set the url of the cluster to its primary/);
      t.is(refused.start_lsn, null);
    }

    const there = await connect(t, standby.url());
    t.true(await there.value('select pg_is_in_recovery()'), 'nobody has promoted it meanwhile');
    t.true(await there.value('select pg_promote()'));
    const { id } = await startBackup(client);
    t.regex(String((await completeBackup(client, id)).backup_label), /^START WAL LOCATION: /);
  },
);
