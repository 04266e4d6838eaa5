/** What `holdfast wal fetch` leaves running while PostgreSQL recovers; nobody types it. */
import { bootId } from '../wal/invocation.ts';
import { fetchAhead } from '../wal/fetch-ahead.ts';

/** `spool`, the segment that replay has, how many, the cluster's directory, and the invocation or `-`. */
export async function main([
  spool = '',
  after = '',
  ahead = '',
  clusterDirectory = '',
  invocation,
]: readonly string[]): Promise<number> {
  const boot = bootId();
  if (boot === undefined) return 1;
  const owner = {
    pid: process.pid,
    boot,
    clusterDirectory,
    invocation: invocation === '-' ? undefined : invocation,
  };
  return fetchAhead({ spool, owner, after, ahead: Number(ahead) }).then(
    () => 0,
    () => 1, // a fetch says what is wrong
  );
}
