// process.exit() waits for the threads that compile in the background, and such a thread may wait for the main thread
// to collect garbage: then neither goes on (nodejs/node#54918), and PostgreSQL waits for its archive_command for ever.
import v8 from 'node:v8';
import vm from 'node:vm';

/** From now on nothing is compiled in the background: what ends within a moment does without. */
export function compileNoMore() {
  for (const flag of ['--no-opt', '--no-maglev', '--no-sparkplug']) v8.setFlagsFromString(flag);
}

/** Gives what is being compiled the garbage collection that it may wait for. */
export function exit(status) {
  compileNoMore();
  v8.setFlagsFromString('--expose-gc');
  vm.runInNewContext('gc')();
  process.exit(status);
}
