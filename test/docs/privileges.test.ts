import type { ExecutionContext } from 'ava';
import { noOwnCluster, ownCluster, type TestCluster } from '../support/cluster.ts';
import { eventuallyRow } from '../support/eventually.ts';
import { holdfast, startWorkerProcess } from '../support/process.ts';
import { connect, openClient } from '../support/sql-client.ts';
import { testWhen } from '../support/test-when.ts';
import { blocks } from './pages.ts';

const ownTest = testWhen(noOwnCluster);

ownTest(
  'the grants of docs/privileges.md are enough, with control database and cluster on two servers',
  async (t) => {
    const [control, cluster] = [await ownCluster(t), await ownCluster(t)];
    await grant(control, /^runs on control as installer$/);
    t.is((await holdfast(['install'], { url: control.url({ user: 'holdfast_installer' }) })).status, 0);
    await grant(control, /^runs on control$/);
    await grant(cluster, onCluster(cluster));
    await startWorkerProcess(t, {
      url: control.url({ user: 'holdfast_agent' }),
      config: `[cluster.main]\nurl = "${cluster.url({ user: 'holdfast_agent' })}"`,
    });

    await backUp(t, control);
    const checked = await holdfast(['check'], { url: control.url({ user: 'monitoring' }) });
    t.is(checked.status, 0, checked.stdout);
    const dba = await connect(t, control.url({ user: 'dba' }));
    t.is(await dba.value(`select holdfast.prune(interval '0')`), '0');
  },
);

ownTest('they are enough on one server, where the roles are created once', async (t) => {
  const cluster = await ownCluster(t);
  t.is((await holdfast(['install'], { url: cluster.url() })).status, 0);
  await grant(cluster, /^runs on control$/);
  await grant(cluster, onCluster(cluster), /^create role/i);
  await startWorkerProcess(t, { url: cluster.url({ user: 'holdfast_agent' }) });
  await backUp(t, cluster);
});

ownTest('without them a backup fails and says which are missing', async (t) => {
  const cluster = await ownCluster(t);
  t.is((await holdfast(['install'], { url: cluster.url() })).status, 0);
  await grant(cluster, /^runs on control$/);
  await startWorkerProcess(t, { url: cluster.url({ user: 'holdfast_agent' }) });
  const tool = await connect(t, cluster.url({ user: 'backup_tool' }));
  await tool.query(`insert into holdfast.backup_request (label) values ('nightly')`);
  const failed = await eventuallyRow<{ error_code: string; hint: string }>(
    tool,
    `select error_code, hint from holdfast.backup_request where state = 'failed'`,
  );
  t.is(failed.error_code, 'missing_privilege');
  t.regex(failed.hint, /GRANT EXECUTE ON FUNCTION .*GRANT pg_monitor/);
});

async function backUp(t: ExecutionContext, control: TestCluster): Promise<void> {
  const url = control.url({ user: 'backup_tool' });
  const started = await holdfast(['start', 'nightly', '--fast'], { url });
  t.is(started.status, 0, started.stderr);
  const stopped = await holdfast(['stop', 'nightly'], { url });
  t.is(stopped.status, 0, stopped.stderr);
  t.regex(stopped.stdout, /START WAL LOCATION/);
}

function onCluster({ version }: TestCluster): RegExp {
  return version >= 15 ? /^runs on cluster( since 15)?$/ : /^runs on cluster( before 15)?$/;
}

/** The page's own statements, but those that `without` fits. */
async function grant(server: TestCluster, mark: RegExp, without = /^$/): Promise<void> {
  const client = await openClient(server.url());
  try {
    for (const { text } of blocks('docs/privileges.md').filter((block) => mark.test(block.mark))) {
      for (const statement of text.split(';\n').filter((part) => !without.test(part)))
        await client.query(statement);
    }
  } finally {
    await client.close();
  }
}
