// "wal push" and "wal fetch" run for every segment: nothing is loaded that they do not use.
import { existsSync } from 'node:fs';
import { enableCompileCache } from './compile-cache.js';
import { compileNoMore, exit } from './exit.js';

const [, , , command, ...args] = process.argv;
const source = new URL(`../src/cli/wal/wal-${command}.ts`, import.meta.url);
const built = new URL(`../dist/program/wal-${command}.js`, import.meta.url);

/** What looks through segments is compiled: a fetch of a restored server does (src/wal/examine-segment.ts). */
const looksThrough =
  command === 'read-ahead' || (command === 'fetch' && process.env.HOLDFAST_LOOKED_TO !== undefined);

// As every command's help: commander has it.
if (args.includes('--help') || args.includes('-h')) await import('./launch.js');
else if (!existsSync(source)) await run(built);
else if (process.features.typescript) await run(source);
else await import('./launch.js'); // with the checkout's own Node

async function run(entry) {
  if (!looksThrough) compileNoMore();
  enableCompileCache();
  // wal-read-ahead.js has walReadAhead(), and so on.
  const name = `wal-${command}`.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
  const { [name]: main } = await import(entry.href);
  const status = await main(args);
  // Where nothing has been compiled in the background, nothing waits for the collection, which takes as long as it takes
  // to load a third of the command.
  if (looksThrough) exit(status);
  else process.exit(status);
}
