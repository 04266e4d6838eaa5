// apt-get with lists, caches and settings of its own: it knows the suites that it is told, believes that nothing is
// installed, and needs no privileges. The system's keys decide what is trusted.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../embedded/run.ts';

/** A package that apt would install. */
export interface AptPackage {
  name: string;
  version: string;
}

/** Where packages come from. */
export interface AptSources {
  mirror: string;
  suites: readonly string[];
  /**
   * The source package whose packages are taken from the first suite; the others from wherever apt
   * takes them (nothing else from experimental, where another suite has it).
   */
  preferred: string;
}

export class PrivateApt {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads the lists of the suites. `directory`: empty, for this alone. */
  static async open(directory: string, { mirror, suites, preferred }: AptSources): Promise<PrivateApt> {
    for (const name of ['lists/partial', 'archives/partial', 'etc/preferences.d', 'etc/apt.conf.d'])
      await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, 'status'), '');
    await writeFile(
      join(directory, 'etc/sources.list'),
      suites.map((suite) => `deb ${mirror} ${suite} main\n`).join(''),
    );
    await writeFile(
      join(directory, 'etc/preferences.d/preferred'),
      `Package: src:${preferred}\nPin: release a=${suites[0]}\nPin-Priority: 990\n`,
    );
    const apt = new PrivateApt(directory);
    await apt.#get(['update']);
    return apt;
  }

  /** The packages with everything that they depend on. */
  async closureOf(packages: readonly string[]): Promise<AptPackage[]> {
    const plan = await this.#get(['install', '-s', '--no-install-recommends', ...packages]);
    return [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)].map(([, name = '', version = '']) => ({
      name: name.replace(/:.*/, ''),
      version,
    }));
  }

  /** Downloads packages into the directory `to`; apt checks them. */
  async download(packages: readonly AptPackage[], to: string): Promise<void> {
    await this.#get(['download', ...packages.map(({ name, version }) => `${name}=${version}`)], to);
  }

  #get(args: string[], cwd = '/'): Promise<string> {
    const at = (name: string) => join(this.#directory, name);
    const settings = {
      'Dir::State': this.#directory,
      'Dir::State::lists': at('lists'),
      'Dir::State::status': at('status'),
      'Dir::Cache': this.#directory,
      'Dir::Cache::archives': at('archives'),
      'Dir::Etc::sourcelist': at('etc/sources.list'),
      'Dir::Etc::sourceparts': '-',
      'Dir::Etc::preferencesparts': at('etc/preferences.d'),
      'Dir::Etc::preferences': '-',
      'Acquire::Check-Valid-Until': 'false',
      'Acquire::Languages': 'none',
      'APT::Sandbox::User': '',
      'Acquire::Retries': '3',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return run('apt-get', ['-qq', '-y', ...options, ...args], {
      cwd,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
}
