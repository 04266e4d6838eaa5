// npm run test:matrix [-- 12 13 …]: what depends on the server's version, once per major version.
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { add, describe, runAva, type Tally } from './ava.ts';
import { NoDebianPrograms } from './debian/install-set.ts';
import { findBinaries, isMajor, majors, type Major } from './embedded/binaries.ts';
import { inMemory } from './memory-disk.ts';

/** One backup by each way, what archives and recovers, the files that are read, and the SQL itself: on every major version. */
const everywhere = [
  'postgres/{pg-control,wal-page}',
  'scenarios/{copy,drill,restore-targets,stop-on-boundary,tablespaces,wal-archive}',
  'sql/{columns,identity,install,privileges,procedures,requests,superuser}',
];
/**
 * The rest of what meets the server: where it changed. 12 is the oldest, 15 named the functions of a backup anew and
 * ended exclusive ones, 17 has another WAL segment at a boundary, 19 another pg_control and other text for LSNs.
 */
const whereItChanged = [
  'scenarios/{copy-verified,hostile-settings,label-recovered,labels,odd-bytes,restore-timelines}',
  'scenarios/{session-terminated,standby-fetch,standby-refused,wal-rewind}',
  'sql/{install-psql,procedures-transactions,restored,search-path,workers}',
];
const changed: readonly Major[] = [12, 15, 17, 19];
/**
 * What the worker does when it, or a connection, or a client ends, and what the guards refuse: on the oldest as well, and
 * with all other tests, which are about the repository, the worker or names alone, on 18.
 */
const onTheOldest = [
  'scenarios/{copy-members,copy-tablespaces,drill-code,drill-tablespace,interrupted,privileges}',
  'scenarios/{restore-created-tablespace,rows-locked,server-restarted,stop-interrupted,worker-killed}',
  'sql/**',
  '!test/sql/schema-names.test.ts',
];

export function filesFor(version: Major): string[] {
  const names = [
    ...everywhere,
    ...(changed.includes(version) ? whereItChanged : []),
    ...(version === majors[0] ? onTheOldest : []),
  ];
  return names.map((name) =>
    name.startsWith('!') ? name : `test/${name}${name.endsWith('**') ? '' : '.test.ts'}`,
  );
}

export async function runMatrix(versions: Major[]): Promise<Tally> {
  return inMemory((env) => runAll(versions, env));
}

async function runAll(versions: Major[], env: NodeJS.ProcessEnv): Promise<Tally> {
  let total: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const version of versions) {
    const began = performance.now();
    const tally = await runVersion(version, env);
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    const title = `PostgreSQL ${version}: ${describe(tally)} (${seconds} s)`;
    console.log(title);
    total = add(
      total,
      tally.failures === undefined ? tally : { ...tally, failures: `${title}\n${tally.failures}` },
    );
  }
  return total;
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
  return runAva(filesFor(version), { env: { ...env, TEST_PG_VERSION: String(version) } });
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
