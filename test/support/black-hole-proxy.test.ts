import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { blackHoleProxy } from './black-hole-proxy.ts';
import { runProcess } from '../../dev/harness/children.ts';
import { sharedCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { connect, withClient } from './sql-client.ts';

async function setup(t: ExecutionContext) {
  const cluster = await sharedCluster();
  const { hostname, port } = new URL(cluster.url());
  const proxy = await blackHoleProxy(t, hostname, Number(port));
  // Through another proxy so many have their answers that one would have come here, had it not been swallowed.
  const silence = async () => {
    const open = await blackHoleProxy(t, hostname, Number(port));
    for (let n = 0; n < 20; n += 1)
      await withClient(open.url(cluster.url()), (client) => client.query('select 1'));
    return 'silence';
  };
  return {
    cluster,
    proxy,
    silence,
    url: (name: string) => `${proxy.url(cluster.url())}?application_name=${name}`,
  };
}

test('what is sent through a thawed proxy is answered, and it knows who is connected', async (t) => {
  const { proxy, url } = await setup(t);
  const client = await connect(t, url('worker'));
  t.is(await client.value('select current_setting($1)', ['application_name']), 'worker');
  t.deepEqual(proxy.connections(), ['worker']);
});

test('a frozen proxy answers nobody, and delivers everything when it thaws', async (t) => {
  const { proxy, silence, url } = await setup(t);
  const client = await connect(t, url('early'));
  proxy.freeze();
  const answer = client.value('select 42');
  const late = connect(t, url('late'));
  t.is(await Promise.race([answer, late, silence()]), 'silence');

  proxy.thaw();
  t.is(await answer, 42);
  t.is(await (await late).value('select 43'), 43);
});

test('the death of the other end does not come through a frozen proxy', async (t) => {
  const { cluster, proxy, silence, url } = await setup(t);
  const client = await connect(t, url('victim'));
  const observer = await connect(t, cluster.url());
  proxy.freeze();
  const answer = client.value('select 42').catch((error: Error) => error.message);
  await observer.query('select pg_terminate_backend($1)', [client.pid]);
  t.is(await Promise.race([answer, silence()]), 'silence');

  proxy.thaw();
  t.regex(String(await answer), /terminat/i);
});

test('only the connections of one application freeze, also those that come later', async (t) => {
  const { proxy, silence, url } = await setup(t);
  const listener = await connect(t, url('listener'));
  const session = await connect(t, url('session'));
  proxy.freezeOnly((name) => name === 'listener');
  const swallowed = [
    listener.value('select 1'),
    connect(t, url('listener')).then((client) => client.value('select 1')),
  ];
  t.is(await session.value('select 2'), 2);
  t.is(await (await connect(t, url('session'))).value('select 3'), 3);
  t.is(await Promise.race([...swallowed, silence()]), 'silence');

  proxy.thaw();
  t.deepEqual(await Promise.all(swallowed), [1, 1]);
});

test('severed connections fail at once, frozen or not', async (t) => {
  const { proxy, url } = await setup(t);
  const client = await connect(t, url('severed'));
  proxy.freeze();
  const answer = client.value('select 1');
  proxy.sever();
  await t.throwsAsync(answer, { message: /ECONNRESET|terminated/ });
  await eventually('the proxy has forgotten them', () => proxy.connections().length === 0);
});

test('no socket of it is left, although its clients were killed while they were talking', async (t) => {
  const script = fileURLToPath(new URL('killed-clients.ts', import.meta.url));
  const { status, stderr } = await runProcess(process.execPath, [script]);
  t.is(status, 0, stderr);
});
