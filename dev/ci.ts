// Everything that has to hold before a change is accepted; .ci/run calls it once the packages are installed.
// The last line is what all of it came to: "N passed, N failed".
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { add, describe, none, type Tally } from './ava.ts';
import { root } from './root.ts';
import { majors, usual } from './embedded/binaries.ts';
import { run } from './embedded/run.ts';
import { checkPackage } from './check-package.ts';
import { runMatrix } from './matrix.ts';
import { inMemory } from './memory-disk.ts';
import { allFiles } from './test-selection.ts';
import { runTogether } from './together.ts';

/**
 * With two more of the matrix, two processors have always something to do. More processes than run at once end at about
 * the same time, however long the tests of each are.
 */
const atOnce = { processes: 12, concurrency: 4 };
const passed: Tally = { passed: 1, failed: 0, skipped: 0 };

const began = performance.now();
let total: Tally = none;

// What waits for a network has something beside it that does not.
await Promise.all([debianPrograms(), checkSources()]);
// The tests wait for something a third of the time: the other majors use what they leave.
const tests = step('tests', () =>
  inMemory((env) => runTogether(allFiles(), { env, show: true, scenarios: true, ...atOnce })),
);
const others = majors.filter((major) => major !== usual);
const matrix = step('matrix', () => runMatrix(others, { secondLaneAfter: tests }));
// In the place of the one that ends first.
await Promise.all([tests, matrix, Promise.race([tests, matrix]).then(checkUse)]);

process.exitCode = total.failed === 0 ? 0 : 1;
if (total.failed > 0) console.log(`\n=== what failed\n${total.failures}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);

async function checkSources(): Promise<void> {
  await step('lint', () => npmRun('lint'));
  await step('types', () => npmRun('types'));
}

async function checkUse(): Promise<void> {
  await step('package', checkPackage);
  await step('demo', () => npmRun('demo'));
}

/** PostgreSQL's own tools of 17 to 19, and the server of 19. Where they cannot be had, what needs them is skipped. */
async function debianPrograms(): Promise<void> {
  const said = await run(process.execPath, [join(root, 'dev/debian-programs.ts')]).catch(String);
  console.log(`\nDebian's programs: ${said.trimEnd()}`);
}

/** One part of it; what it throws is a failure of that part, not the end of the others. */
async function step(name: string, work: () => Promise<Tally>): Promise<void> {
  console.log(`\n=== ${name}`);
  const tally = await work().catch((error: unknown) => failure(inspect(error)));
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(`=== ${name}: ${describe(tally)} (${minutes} min since the beginning)`);
  total = add(total, { ...tally, failures: headed(name, tally) });
}

function npmRun(script: string): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const npm = spawn('npm', ['run', '--silent', script], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    npm.once('error', reject);
    npm.once('exit', (status) => resolve(status === 0 ? passed : failure('see above')));
  });
}

function failure(failures: string): Tally {
  return { passed: 0, failed: 1, skipped: 0, failures };
}

function headed(name: string, { failures }: Tally): string {
  return failures === undefined || failures === '' ? '' : `--- ${name}\n${failures}\n`;
}
