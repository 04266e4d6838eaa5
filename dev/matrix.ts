// npm run test:matrix [-- 12 13 …]: what depends on the server's version, once per major version.
import { globSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { add, describe, none, type Tally } from './ava.ts';
import { NoDebianPrograms } from './debian/install-set.ts';
import { findBinaries, isMajor, majors, type Major } from './embedded/binaries.ts';
import { inMemory } from './memory-disk.ts';
import { root } from './root.ts';
import { runTogether } from './together.ts';

interface Part {
  because: string;
  on: readonly Major[];
  /** Below test/, without ".test.ts"; "!": but not this one. */
  files: readonly string[];
}

/** All other tests are about the repository, the worker or names alone, and run on 18 only. */
export const parts: readonly Part[] = [
  {
    because: 'every major has a pg_control, a WAL and a catalog of its own',
    on: majors,
    files: [
      'postgres/{pg-control,wal-page}',
      'scenarios/{copy,drill,wal-archive}',
      'sql/{columns,identity,install,privileges,procedures,requests,superuser}',
    ],
  },
  {
    because:
      '13 ends a recovery that does not reach its target, 15 has tablespaces within the data directory, and 17 names ' +
      'another WAL segment at a boundary; 14 and 16 recover as the one before each',
    on: [12, 13, 15, 17, 19],
    files: ['scenarios/{copy-on-boundary,restore-targets,stop-on-boundary,tablespaces}'],
  },
  {
    because: '15 named the functions of a backup anew',
    on: [12, 15, 19],
    files: ['scenarios/{labels,session-terminated}', 'sql/procedures-transactions'],
  },
  {
    because: '12 is the oldest, and 19 has another pg_control and other text for LSNs',
    on: [12, 19],
    files: [
      'scenarios/{copy-verified,hostile-settings,restore-timelines,session-terminated-meanwhile,standby-fetch}',
      'scenarios/wal-rewind',
      'sql/{install-psql,restored,search-path,workers}',
    ],
  },
  {
    because: 'summaries of the WAL began with 17, which writes them as 18 does, and 19 has other LSNs',
    on: [19],
    files: ['scenarios/incremental-restore'],
  },
  {
    because: 'what the guards refuse, and what becomes of whoever ends, has to hold on the oldest as well',
    on: [12],
    files: [
      'scenarios/{copy-tablespaces,drill-tablespace,label-recovered,odd-bytes,privileges,restore-created-tablespace}',
      'scenarios/{restore-paused,server-restarted,standby-refused,stop-interrupted,worker-killed}',
      'sql/*',
      '!sql/schema-names',
    ],
  },
];

/** Patterns of paths. */
export function filesFor(version: Major): string[] {
  const names = parts.filter(({ on }) => on.includes(version)).flatMap(({ files }) => files);
  return names.map((name) => name.replace(/^(!?)(.*)$/, '$1test/$2.test.ts'));
}

function expanded(patterns: readonly string[]): string[] {
  const matches = (found: readonly string[]) => found.flatMap((pattern) => globSync(pattern, { cwd: root }));
  const without = matches(patterns.filter((one) => one.startsWith('!')).map((one) => one.slice(1)));
  const all = new Set(matches(patterns.filter((one) => !one.startsWith('!'))));
  return [...all].filter((file) => !without.includes(file)).sort();
}

export interface MatrixOptions {
  /** Until this is over, there is one version at a time. */
  secondLaneAfter?: Promise<unknown>;
}

export async function runMatrix(versions: Major[], options: MatrixOptions = {}): Promise<Tally> {
  return inMemory((env) => runAll(versions, env, options));
}

/** Two versions at a time, those with the most files first: what one of them has left to do leaves no processor idle. */
async function runAll(
  versions: Major[],
  env: NodeJS.ProcessEnv,
  { secondLaneAfter }: MatrixOptions,
): Promise<Tally> {
  const files = (version: Major) => expanded(filesFor(version)).length;
  const waiting = [...versions].sort((a, b) => files(b) - files(a));
  const tallies: Tally[] = [];
  const lane = async (after?: Promise<unknown>) => {
    await after;
    for (let version = waiting.shift(); version !== undefined; version = waiting.shift()) {
      const began = performance.now();
      const tally = await runVersion(version, env);
      const seconds = ((performance.now() - began) / 1000).toFixed(0);
      const title = `PostgreSQL ${version}: ${describe(tally)} (${seconds} s)`;
      console.log(title);
      const { failures } = tally;
      tallies.push(failures === undefined ? tally : { ...tally, failures: `${title}\n${failures}` });
    }
  };
  const first = lane();
  // Where the first has come to the end by itself, nothing is waited for.
  await Promise.all([first, lane(Promise.race([first, secondLaneAfter]))]);
  return tallies.reduce(add, none);
}

async function runVersion(version: Major, env: NodeJS.ProcessEnv): Promise<Tally> {
  try {
    // Before AVA's processes all find them missing at once.
    await findBinaries(version);
  } catch (error) {
    if (error instanceof NoDebianPrograms) {
      console.log(`PostgreSQL ${version} is skipped: ${error.message}`);
      return { passed: 0, failed: 0, skipped: 1 };
    }
    return { passed: 0, failed: 1, skipped: 0, failures: inspect(error) };
  }
  const options = { env: { ...env, TEST_PG_VERSION: String(version) }, concurrency: 2, processes: 2 };
  return runTogether(expanded(filesFor(version)), options);
}

function chosen(args: string[]): Major[] {
  const versions = args.map(Number);
  const unknown = args.find((_, index) => !isMajor(versions[index] ?? 0));
  if (unknown !== undefined) throw new Error(`"${unknown}" is none of the versions ${majors.join(', ')}`);
  return args.length > 0 ? versions.filter(isMajor) : majors;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const total = await runMatrix(chosen(process.argv.slice(2)));
  if (total.failed > 0) console.log(total.failures);
  console.log(`all versions: ${describe(total)}`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}
