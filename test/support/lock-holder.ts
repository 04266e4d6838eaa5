// A process that holds a lock of the repository until it is killed: node lock-holder.ts PATH shared|exclusive
import { withLock } from '../../src/system/file-lock.ts';

const [path = '', kind] = process.argv.slice(2);
await withLock(path, { shared: kind === 'shared', wait: 0 }, async () => {
  process.stdout.write('locked\n');
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
