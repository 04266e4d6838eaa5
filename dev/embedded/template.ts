// A new data directory is a copy: initdb takes a second, a copy of what it made a tenth of that.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { cached } from './cache.ts';
import { giveOwnIdentity } from './identity.ts';
import { asServerUser, serverIdentity } from './server-user.ts';

/** Fills `dataDirectory` (which must exist, be empty and belong to the servers' user) as `initdb ...args` would. */
export async function initialise(binaries: Binaries, dataDirectory: string, args: string[]): Promise<void> {
  await copyAsAnother(await templateFor(binaries, args), dataDirectory);
}

/** A copy of a data directory whose server was stopped, with a system identifier of its own. */
export async function copyAsAnother(from: string, dataDirectory: string): Promise<void> {
  await asServerUser.run('cp', ['-Rp', `${from}/.`, dataDirectory]);
  await giveOwnIdentity(dataDirectory);
}

async function templateFor(binaries: Binaries, args: string[]): Promise<string> {
  const allArgs = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync', ...args];
  const key = createHash('sha256').update(JSON.stringify([allArgs, serverIdentity()]));
  const name = `data-${binaries.version}-${key.digest('hex').slice(0, 12)}`;
  const entry = await cached(name, async (directory) => {
    const data = join(directory, 'data');
    await asServerUser.mkdir(data);
    await asServerUser.run(join(binaries.directory, 'bin', 'initdb'), ['-D', data, ...allArgs], {
      env: serverEnvironment(),
    });
  });
  return join(entry, 'data');
}

/** Nothing of the caller's locale or libpq variables leaks into a server. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE, NODE_OPTIONS } = process.env;
  return {
    PATH,
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }),
    ...(NODE_OPTIONS !== undefined && { NODE_OPTIONS }),
  };
}
