// Where the tools of a major are that npm's packages leave out: pg_verifybackup, pg_combinebackup, pg_rewind, …
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installedVersion, isDebianMajor, serverDirectory, serverSet } from './program-sets.ts';

/** The directory with a tool of that very major, as this machine's packages or a set have it; undefined: it is not there. */
export function toolsOf(major: number, tool: string): string | undefined {
  const places = [`/usr/lib/postgresql/${major}/bin`];
  if (isDebianMajor(major) && installedVersion(serverSet(major)) !== undefined)
    places.unshift(join(serverDirectory(major), 'bin'));
  return places.find((bin) => existsSync(join(bin, tool)));
}

/** For testWhen(): why a tool of that major cannot be run; undefined where it can. */
export function noTool(major: number, tool: string): string | undefined {
  if (toolsOf(major, tool) !== undefined) return undefined;
  const how = isDebianMajor(major) ? `: node dev/debian-programs.ts ${serverSet(major)}` : '';
  return `there is no ${tool} of PostgreSQL ${major} here${how}`;
}
