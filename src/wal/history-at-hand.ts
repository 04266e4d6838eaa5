/**
 * Tells which timeline history files PostgreSQL does without. A server that is promoted asks for the history of its
 * timeline once more when the signal files are gone already, and reads the file in pg_wal where restore_command has none
 * (src/backend/access/transam/timeline.c: writeTimeLineHistory). An error would end the server in the midst of its
 * promotion, and its next start would continue the timeline of the old primary.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { walFileKind } from '../repository/wal-archive.ts';

/** The first timeline has no history. bin/holdfast.js and bin/holdfast-wal contain the same name. */
export const historyOfFirst = '00000001.history';

/** Whether the server has the timeline history file, or there is no such file. */
export function isHistoryAtHand(name: string, walDirectory: string): boolean {
  if (walFileKind(name) !== 'timeline history') return false;
  return name === historyOfFirst || existsSync(join(walDirectory, name));
}
