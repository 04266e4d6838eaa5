// npm test: what dev/test-selection.ts chooses; npm run test:all: everything; npm test -- FILES: those.
// Servers write to memory where there is room, and every process uses one compile cache.
import { describe, runAva } from './ava.ts';
import { inMemory } from './memory-disk.ts';
import { allFiles, quickFiles } from './test-selection.ts';
import { runTogether } from './together.ts';

const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  console.log(`Usage: npm test                    the quick tests, and a scenario for each promise
       npm run test:all            all tests
       npm test -- FILE...         these files, or patterns: npm test -- 'test/sql/**'

TEST_PG_VERSION=12 npm test      on another major version of PostgreSQL (12 to 19)
docs/development.md has the other variables.`);
} else {
  const files = args.filter((arg) => arg !== '--all');
  const began = performance.now();
  const tally = await inMemory((env) => {
    const options = { env, show: true };
    if (files.length > 0) return runAva(files, options);
    if (args.includes('--all')) return runTogether(allFiles(), options);
    return runTogether(quickFiles(), { ...options, scenarios: true, processes: 5, concurrency: 6 });
  });
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(`${describe(tally)} in ${minutes} minutes`);
  process.exitCode = tally.failed === 0 ? 0 : 1;
}
