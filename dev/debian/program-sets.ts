// Programs that Debian's newer suites have and this machine's suite may not: servers with all their tools, and the peers
// of the benchmarks. Each set is a directory of its own with all its libraries, and nothing of it is installed into the
// system (install-set.ts makes it).
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

interface ProgramSet {
  /** The suites that have its packages; the first one is preferred. */
  suites: readonly string[];
  packages: readonly string[];
}

const servers = {
  17: ['trixie'],
  18: ['sid'],
  19: ['experimental', 'sid'],
} as const;

export type DebianMajor = keyof typeof servers;
export type SetName = `postgresql-${DebianMajor}` | 'pgbackrest' | 'rclone';

/** The majors whose servers and tools can be had like this. */
export const debianMajors = Object.keys(servers).map(Number) as DebianMajor[];

export function isDebianMajor(major: number): major is DebianMajor {
  return major in servers;
}

export function serverSet(major: DebianMajor): SetName {
  return `postgresql-${major}`;
}

export const programSets: Readonly<Record<SetName, ProgramSet>> = {
  'postgresql-17': server(17),
  'postgresql-18': server(18),
  'postgresql-19': server(19),
  pgbackrest: { suites: ['sid'], packages: ['pgbackrest'] },
  rclone: { suites: ['sid'], packages: ['rclone'] },
};

function server(major: DebianMajor): ProgramSet {
  return { suites: servers[major], packages: [`postgresql-${major}`, `postgresql-client-${major}`] };
}

export function isSetName(name: string): name is SetName {
  return name in programSets;
}

/** All sets are below this directory, which stays from run to run. */
export function setsDirectory(): string {
  const { TEST_DEBIAN_PROGRAMS: wanted, XDG_CACHE_HOME: cache = join(homedir(), '.cache') } = process.env;
  return wanted ?? join(process.getuid?.() === 0 ? '/var/cache' : cache, 'holdfast-debian');
}

/** The file that a set has once it is whole: the version of its first package. */
export const versionFile = '.version';

/** Changes with the way in which sets are made, so that two checkouts that make them in two ways have two sets. */
const recipe = 3;

export function setDirectory(name: SetName): string {
  return join(setsDirectory(), `${name}.${recipe}`);
}

/** The version of an installed set, as Debian writes it; undefined where the set is not installed. */
export function installedVersion(name: SetName): string | undefined {
  const file = join(setDirectory(name), versionFile);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

/** The directory that has bin and lib of a server, installed or not. */
export function serverDirectory(major: DebianMajor): string {
  return join(setDirectory(serverSet(major)), 'usr/lib/postgresql', String(major));
}
