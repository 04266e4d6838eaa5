/**
 * `holdfast wal read-ahead`: the background process that `holdfast wal fetch` starts during recovery. Users
 * do not run this command.
 */
import { keepFreedMemory } from '../../system/keep-freed-memory.ts';
import { withRareCollections } from '../../system/rare-collections.ts';
import { fetchAhead } from '../../wal/fetch-ahead.ts';

/**
 * Fetches segments ahead. The operands are the spool, the segment that replay has, and how many segments to
 * keep ready. Returns the exit status.
 */
export async function walReadAhead([spool = '', after = '', ahead = '']: readonly string[]): Promise<number> {
  keepFreedMemory();
  return withRareCollections(() => fetchAhead({ spool, after, ahead: Number(ahead) })).then(
    () => 0,
    () => 1, // the next "wal fetch" reports the error
  );
}
