// A server that was promoted: nothing is said of what its summaries are worth, so that a full copy begins the next chain.
import { join } from 'node:path';
import { makeRepository } from '../support/repository.ts';
import { noOwnCluster, ownCluster } from '../support/cluster.ts';
import { asServerUser } from '../../dev/embedded/server-user.ts';
import { eventually } from '../support/eventually.ts';
import { installedDatabase } from '../support/installed-database.ts';
import { noIncrements } from '../support/chains.ts';
import { request } from '../support/requests.ts';
import { startWorkerProcess } from '../support/process.ts';
import { connect, withClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { untilState } from '../support/backups.ts';

testWhen(noOwnCluster, noIncrements).serial(
  'after a promotion the copy is full, and the next an incremental one',
  async (t) => {
    const server = await ownCluster(t, { settings: { summarize_wal: 'on' } });
    const db = await installedDatabase(t);
    const repository = await server.serverDirectory('repository');
    await makeRepository(repository);
    const config = `[cluster.main]\nurl = "${server.url()}"\n`;
    await startWorkerProcess(t, { url: db.url, config, env: { HOLDFAST_REPOSITORY: repository } });
    const client = await connect(t, db.url);
    const copied = async () => {
      const id = await request(client, { method: 'copy', fast: true, incremental: true });
      return untilState(client, id, 'complete', { within: 120_000 });
    };
    const first = await copied();
    t.is((await copied()).parent, first.id);

    await server.stop();
    await asServerUser.writeFile(join(String(server.dataDirectory), 'standby.signal'), '');
    await server.start();
    await withClient(server.url(), async (admin) => {
      await admin.query('select pg_promote()');
      await eventually('it is a primary', () => admin.value('select not pg_is_in_recovery()'));
    });
    const full = await copied();
    t.is(full.parent, null);
    t.is(await client.value('select timeline from holdfast.backup_request where id = $1', [full.id]), 2);
    t.true(
      full.warnings.some((warning) => warning.endsWith('the newest sound copy, is of another timeline')),
      full.warnings.join(),
    );
    t.is((await copied()).parent, full.id);
  },
);
