// node dev/debian-programs.ts [SET…]: installs sets of Debian's programs for tests and benchmarks, below /var/cache (or
// TEST_DEBIAN_PROGRAMS). Without arguments: PostgreSQL 17, 18 and 19 with all their tools. What is there stays as it is.
import { installSet, NoDebianPrograms } from './debian/install-set.ts';
import { debianMajors, isSetName, programSets, serverSet, setDirectory } from './debian/program-sets.ts';

const args = process.argv.slice(2);
const unknown = args.find((arg) => !isSetName(arg));
if (unknown !== undefined) {
  console.error(`"${unknown}" is none of ${Object.keys(programSets).join(', ')}`);
  process.exit(2);
}
for (const name of args.length > 0 ? args.filter(isSetName) : debianMajors.map(serverSet)) {
  try {
    console.log(`${name} ${await installSet(name)} is in ${setDirectory(name)}`);
  } catch (error) {
    console.log(
      `skipped: ${error instanceof NoDebianPrograms ? error.message : `${name}: ${String(error)}`}`,
    );
    if (!(error instanceof NoDebianPrograms)) process.exitCode = 1;
  }
}
