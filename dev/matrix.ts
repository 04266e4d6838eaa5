// npm run test:matrix [-- 12 13 …]: what depends on the server's version, once per major version.
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { add, describe, runAva, type Tally } from './ava.ts';
import { findBinaries, isMajor, majors, type Major } from './embedded/binaries.ts';
import { inMemory } from './memory-disk.ts';

/** What meets the server in a way that a major version may change; on every one of them. */
const everywhere = [
  'scenarios/{copy,copy-verified,drill,hostile-settings}',
  'scenarios/{label-recovered,labels,odd-bytes,restore-targets,restore-timelines,session-terminated}',
  'scenarios/{standby-fetch,standby-refused,stop-on-boundary,tablespaces,wal-archive,wal-rewind}',
  'sql/{columns,identity,install,install-psql,privileges,procedures,procedures-transactions}',
  'sql/{requests,restored,search-path,superuser,workers}',
];
/**
 * What the worker does when it, or a connection, or a client ends, and what the guards refuse: on the oldest as well, and
 * with all other tests, which are about the repository, the worker or names alone, on the newest.
 */
const onTheOldest = [
  'scenarios/{archiver-failing,archiver-hangs,archiving-refused,caller-gone,client-manners,control-restarted}',
  'scenarios/{copy-members,copy-tablespaces,drain,drill-code,drill-tablespace,hold-timeout,interrupted,listener-lost,privileges}',
  'scenarios/{restore-created-tablespace,rows-locked,server-restarted,stop-interrupted,two-workers-race}',
  'scenarios/{worker-killed,worker-killed-in-checkpoint,worker-names}',
  'sql/**',
  '!test/sql/schema-names.test.ts',
];

export function filesFor(version: Major): string[] {
  const names = version === majors[0] ? [...everywhere, ...onTheOldest] : everywhere;
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
