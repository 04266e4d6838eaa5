/** What `holdfast wal fetch` leaves running while PostgreSQL recovers; nobody types it. */
import { fetchAhead } from '../../wal/fetch-ahead.ts';

/** The spool, the segment that replay has got, and how many to keep ready. */
export async function walReadAhead([spool = '', after = '', ahead = '']: readonly string[]): Promise<number> {
  return fetchAhead({ spool, after, ahead: Number(ahead) }).then(
    () => 0,
    () => 1, // a fetch says what is wrong
  );
}
