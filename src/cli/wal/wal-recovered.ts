/**
 * `holdfast wal recovered`: the program in recovery_end_command of a restored server, run in the data
 * directory. Users do not run this command. The command removes the recovery target and makes the server
 * reload its configuration, so that the server shows the settings that a restart would find.
 */
import { messageOf } from '../../errors.ts';
import { forgetTarget } from '../../restore/forget-target.ts';
import { postmasterIn } from '../../postgres/postmaster.ts';

/** Milliseconds. The server waits for the command before recovery ends. */
const mostTime = 10_000;

/** Removes the recovery target. Returns the exit status. */
export async function walRecovered(): Promise<number> {
  setTimeout(() => process.exit(1), mostTime).unref();
  const directory = process.cwd();
  try {
    // The server's user could lead root elsewhere. PostgreSQL itself does not run as root.
    if (process.getuid?.() === 0) throw new Error('this is for the user that the server runs as');
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
