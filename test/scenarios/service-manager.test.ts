// systemd's Type=notify, with a systemd-notify of our own that writes down what it is told.
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { eventually } from '../support/eventually.ts';
import { finish, request } from '../support/requests.ts';
import { scene } from '../support/scene.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('systemd is told when the worker is ready, when it stops, and to give it time while it drains', async (t) => {
  const it = await scene(t);
  const systemd = await fakeSystemd(t);
  const worker = await it.startWorker({ env: systemd.env });
  await eventually('READY', () => systemd.told('READY=1'));
  t.falsy(await systemd.told('STOPPING=1'));

  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  worker.kill('SIGTERM');
  await eventually('STOPPING', () => systemd.told('STOPPING=1'));
  await eventually('EXTEND_TIMEOUT', () => systemd.told('EXTEND_TIMEOUT_USEC=30000000'));
  const extensions = async () => (await systemd.log()).split('EXTEND_TIMEOUT_USEC=').length - 1;
  const first = await extensions();
  await eventually('and again', async () => (await extensions()) > first, { within: 15_000 });

  await finish(it.client, id);
  t.is((await worker.exited).status, 0);
});

test('without systemd, or with a systemd-notify that fails, the worker works the same', async (t) => {
  const it = await scene(t);
  const systemd = await fakeSystemd(t, 'exit 1');
  await it.startWorker({ env: systemd.env });
  const id = await request(it.client, { fast: true });
  await it.untilState(id, 'running');
  await finish(it.client, id);
  t.is((await it.untilState(id, 'complete')).error_code, null);
});

async function fakeSystemd(t: ExecutionContext, afterwards = '') {
  const directory = await temporaryDirectory(t);
  const log = join(directory, 'told');
  const program = join(directory, 'systemd-notify');
  await writeFile(program, `#!/bin/sh\nprintf '%s\\n' "$@" >>'${log}'\n${afterwards}\n`);
  await chmod(program, 0o755);
  const read = () => readFile(log, 'utf8').catch(() => '');
  return {
    env: {
      NOTIFY_SOCKET: join(directory, 'socket'),
      PATH: [directory, process.env['PATH']].join(delimiter),
    },
    log: read,
    told: async (state: string) => (await read()).split('\n').includes(state),
  };
}
