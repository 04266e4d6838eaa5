// Debian's pgbouncer, in front of one of the tests' servers.
import { accessSync, chownSync, constants } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { freePort } from '../../dev/embedded/ports.ts';
import { serverIdentity } from '../../dev/embedded/server-user.ts';
import { startProcess } from '../../dev/harness/children.ts';
import { eventually } from './eventually.ts';
import { openClient } from './sql-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

/** For testWhen(): why there is no pooler to put in between; undefined when there is one. */
export const noPgbouncer = program === undefined ? 'there is no pgbouncer: install it' : undefined;

/** Returns the same URL through a pooler of that mode. */
export async function pooled(
  t: ExecutionContext,
  url: string,
  mode: 'transaction' | 'session',
): Promise<string> {
  if (program === undefined) throw new Error(`${noPgbouncer}; declare the test with testWhen(noPgbouncer)`);
  const { hostname, port, username } = new URL(url);
  const directory = await temporaryDirectory(t);
  const listenPort = await freePort('127.0.0.1');
  const config = join(directory, 'pgbouncer.ini');
  await writeFile(
    config,
    `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
ignore_startup_parameters = extra_float_digits, options
`.replace('* = ', `* = user=${username} `),
  );
  await chmod(directory, 0o755);

  // It refuses to run as root.
  const identity = serverIdentity();
  if (identity) chownSync(directory, identity.uid, identity.gid);
  const as = identity
    ? ['--reuid', String(identity.uid), '--regid', String(identity.gid), '--clear-groups']
    : [];
  const [command, ...args] = [...(identity ? ['setpriv', ...as] : []), program, config];
  await startProcess(t, command, args);

  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String(listenPort);
  await eventually('pgbouncer answers', async () => {
    const client = await openClient(through.href).catch(() => undefined);
    await client?.close();
    return client !== undefined;
  });
  return through.href;
}
