/** What libpq does where the user has not said how to connect. */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';

/** Like libpq without PGHOST: uses the Unix-domain socket if there is one. */
export function defaultHost(): { host?: string } {
  const name = `.s.PGSQL.${process.env.PGPORT ?? '5432'}`;
  const socket = ['/var/run/postgresql', '/tmp'].find((directory) => existsSync(`${directory}/${name}`));
  return process.env.PGHOST === undefined && socket !== undefined ? { host: socket } : {};
}

/** The name of the operating system user; undefined where the user has none. */
export function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined; // the user of a container may have no name
  }
}
