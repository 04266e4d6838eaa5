// Everything that has to hold before a change is accepted; .ci/run calls it once the packages are installed.
// The last line is what all of it came to: "N passed, N failed".
import { spawn } from 'node:child_process';
import { inspect } from 'node:util';
import { add, describe, runAva, type Tally } from './ava.ts';
import { root } from './root.ts';
import { majors, usual } from './embedded/binaries.ts';
import { checkPackage } from './check-package.ts';
import { runMatrix } from './matrix.ts';
import { inMemory } from './memory-disk.ts';

const passed: Tally = { passed: 1, failed: 0, skipped: 0 };

const began = performance.now();
let total: Tally = { passed: 0, failed: 0, skipped: 0 };

await step('lint', () => npmRun('lint'));
await step('types', () => npmRun('types'));
await step('tests', () => inMemory((env) => runAva([], { env, show: true })));
await step('matrix', () => runMatrix(majors.filter((major) => major !== usual)));
await step('demo', () => npmRun('demo'));
await step('package', checkPackage);

process.exitCode = total.failed === 0 ? 0 : 1;
if (total.failed > 0) console.log(`\n=== what failed\n${total.failures}`);
console.log(`\n${total.passed} passed, ${total.failed} failed`);

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
