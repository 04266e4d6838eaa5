// "wal push" and "wal fetch" run for every segment: nothing is loaded that they do not use.
import { existsSync } from 'node:fs';
import { enableCompileCache } from './compile-cache.js';
import { compileNoMore, exit } from './exit.js';

const [, , , command, ...args] = process.argv;
const source = new URL(`../src/cli/wal/wal-${command}.ts`, import.meta.url);
const built = new URL(`../dist/cli/wal/wal-${command}.js`, import.meta.url);

// As every command's help: commander has it.
if (args.includes('--help') || args.includes('-h')) await import('./launch.js');
else if (!existsSync(source)) await run(built);
else if (process.features.typescript) await run(source);
else await import('./launch.js'); // with the checkout's own Node

async function run(entry) {
  if (command === 'push') compileNoMore(); // the others look through segments
  enableCompileCache();
  // wal-read-ahead.js has walReadAhead(), and so on.
  const name = `wal-${command}`.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const { [name]: main } = await import(entry.href);
  exit(await main(args));
}
