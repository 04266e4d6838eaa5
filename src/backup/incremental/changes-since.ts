/** Reads from the server's WAL summaries what has changed since the parent of an incremental copy. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerError, type Connection } from '../../database/connection.ts';
import type { BlockChanges } from '../../postgres/block-changes.ts';
import { parseLsn } from '../../postgres/lsn.ts';
import { readChanges, summariesOf, summarizerState, type SummarizedWal } from '../../server/wal-summaries.ts';
import { whyNotSummarized } from './summarized-range.ts';

/** Milliseconds without progress after which the summarizer counts as stuck; as in PostgreSQL. */
const patience = 60_000;
/** Milliseconds between two looks, at least and at most. In between, a tenth of the time that has passed. */
const shortestPause = 2;
const longestPause = 200;
/** Milliseconds after which the request says what is waited for. */
const silentFor = 500;

/**
 * Returns the changes in the range; a string: why they are not known. Waits until the summarizer has come to the end of
 * the range. `onWait` is called once where that takes time.
 * @throws the reason for which the session was lost
 */
export async function changesSince(
  db: Connection,
  range: SummarizedWal,
  onWait: () => void,
): Promise<BlockChanges | string> {
  try {
    const stuck = await untilSummarized(db, range.to, onWait);
    if (stuck !== undefined) return stuck;
    return whyNotSummarized(await summariesOf(db, range), range) ?? (await readChanges(db, range));
  } catch (error) {
    if (db.isLost || !(error instanceof ServerError)) throw error;
    return `the WAL summaries of the server cannot be read: ${error.message}`;
  }
}

/** Returns why the summarizer does not come to that LSN; undefined: it has. */
async function untilSummarized(db: Connection, lsn: string, onWait: () => void): Promise<string | undefined> {
  let seen = '';
  const beganAt = performance.now();
  let progressAt = beganAt;
  for (;;) {
    const { summarizes, summarizedLsn, pendingLsn } = await summarizerState(db);
    if (parseLsn(summarizedLsn) >= parseLsn(lsn)) return undefined;
    if (!summarizes) return 'summarize_wal has been set to off since the copy began';
    const now = performance.now();
    if (seen !== `${summarizedLsn} ${pendingLsn}`) progressAt = now;
    seen = `${summarizedLsn} ${pendingLsn}`;
    if (now - progressAt > patience)
      return `the server has summarized its WAL up to ${summarizedLsn} (${pendingLsn} in memory) and comes no further: ${lsn} was needed`;
    if (now - beganAt > silentFor) onWait();
    await sleep(Math.min(longestPause, Math.max(shortestPause, (now - beganAt) / 10)));
  }
}
