// npm run test:matrix [-- 12 13 …]: what depends on the server's version, once per major version.
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { add, describe, runAva, type Tally } from './ava.ts';
import { findBinaries, isMajor, majors, type Major } from './embedded/binaries.ts';
import { inMemory } from './memory-disk.ts';

/** What is about the repository, the worker or names alone is the same on every version: the newest is enough. */
const independent = [
  'scenarios/{chores,chores-killed,expire-chores,expiry-and-copies,expiry-and-readers}',
  'scenarios/copy-{damaged,driven,interrupted,killed,load,many,refused}',
  'scenarios/{durable,history-damaged}',
  'scenarios/drill-{chores,fails,killed,secluded}',
  'scenarios/repository-{full,labels}',
  'scenarios/restore-places',
  'scenarios/retention',
  'scenarios/{schedule,schedule-chore,schedule-downtime,schedule-edits,schedule-outcomes}',
  'scenarios/sync-{chores,servers,trouble}',
  'scenarios/verify',
  'scenarios/wal-{ahead,ahead-full,gaps,segment-sizes}',
  'sql/schema-names',
];
/**
 * What the worker does when it, or a connection, or a client ends, and what the guards refuse: on the oldest, and with all
 * tests on the newest.
 */
const ofHoldfast = [
  'scenarios/{caller-gone,client-manners,clusters,drain,fairness,forged-notifications,frozen,hold-timeout}',
  'scenarios/{listener-lost,odd-schema,rows-locked,schema-versions,service-manager,two-workers-race}',
  'scenarios/{control,server}-restarted',
  'scenarios/label-directory-fails',
  'scenarios/worker-{frozen,killed,killed-alone,killed-two-servers,names}',
  'sql/{flooding,holding-up,state-matrix}',
];

function filesFor(version: Major): string[] {
  const leftOut = version === majors[0] ? independent : [...independent, ...ofHoldfast];
  return ['test/scenarios/**', 'test/sql/**', ...leftOut.map((name) => `!test/${name}.test.ts`)];
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
