// A program that takes no notice of the first signal, as work does that cannot be left yet.
import { untilInterrupted } from '../../src/cli/interruption.ts';

await untilInterrupted((signal) => {
  signal.addEventListener('abort', () => process.stdout.write('told\n'));
  process.stdout.write('ready\n');
  return new Promise((resolve) => setTimeout(resolve, 60_000));
});
