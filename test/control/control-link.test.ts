// The connection aside of a worker, on a network that swallows what is sent.
import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { ControlLink } from '../../src/control/control-link.ts';
import { createLog } from '../../src/log.ts';
import { blackHoleProxy } from '../support/black-hole-proxy.ts';
import { sharedCluster } from '../support/cluster.ts';

const aMinute = 60_000;

async function linkThroughProxy(t: ExecutionContext) {
  const url = (await sharedCluster()).url();
  const { hostname, port } = new URL(url);
  const proxy = await blackHoleProxy(t, hostname, Number(port));
  const link = new ControlLink({
    connect: { url: proxy.url(url) },
    schema: 'holdfast',
    identity: {
      name: 'worker',
      nameIsFixed: true,
      instance: randomUUID(),
      clusters: ['main'],
      version: '0',
      host: 'host',
      hostPid: 1,
    },
    log: createLog({ write: () => {} }),
    onReconnected: () => {},
    onRefused: () => {},
  });
  return { proxy, link };
}

test('a statement aside ends after its limit on a connection that is half open', async (t) => {
  const { proxy, link } = await linkThroughProxy(t);
  const asked = link.aside((db) => {
    proxy.freeze();
    return db.query('select 1');
  }, 500);
  await t.throwsAsync(asked, { message: 'the server did not answer within 500 ms' });
});

test('closing the link cuts the connection aside, and there is no other one', async (t) => {
  const { proxy, link } = await linkThroughProxy(t);
  const frozen = Promise.withResolvers<void>();
  const asked = link.aside((db) => {
    proxy.freeze();
    frozen.resolve();
    return db.query('select 1');
  }, aMinute);
  await frozen.promise;
  await Promise.all([t.throwsAsync(asked, { message: 'the link is closed' }), link.close()]);
  await t.throwsAsync(
    link.aside(() => Promise.resolve(), aMinute),
    { name: 'AbortError' },
  );
});
