/**
 * `holdfast wal recovered`: what recovery_end_command runs in a restored server, in its data directory; nobody types
 * it. The server is told to read its configuration again, so that it shows what a restart would find.
 */
import { messageOf } from '../../errors.ts';
import { forgetTarget } from '../../restore/forget-target.ts';
import { postmasterIn } from '../../postgres/postmaster.ts';

/** Milliseconds. The server waits for us before it opens. */
const mostTime = 10_000;

export async function walRecovered(): Promise<number> {
  setTimeout(() => process.exit(1), mostTime).unref();
  const directory = process.cwd();
  try {
    await forgetTarget(directory);
    const postmaster = await postmasterIn(directory);
    if (postmaster !== undefined) process.kill(postmaster, 'SIGHUP');
    return 0;
  } catch (error) {
    process.stderr.write(
      `holdfast: the recovery target stays in postgresql.auto.conf: ${messageOf(error)}\n` +
        '  hint: type ALTER SYSTEM RESET for it once the server is open: a standby made of this server would stop there\n',
    );
    return 1;
  }
}
