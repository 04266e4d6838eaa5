// Servers whose spread checkpoints last for minutes: with an hour to spend, the checkpointer rests for a tenth of a
// second after every page that it writes.
import type { OwnClusterOptions } from './cluster.ts';
import type { SqlClient } from './sql-client.ts';

export const slowCheckpoints: OwnClusterOptions = {
  settings: { checkpoint_timeout: '1h', checkpoint_completion_target: '0.9', bgwriter_lru_maxpages: '0' },
};

/** Enough pages to write for two minutes. */
export async function dirtyPages(admin: SqlClient): Promise<void> {
  await admin.query('create table if not exists dirt (filler text)');
  await admin.query(`insert into dirt select repeat('x', 7000) from generate_series(1, 1200)`);
}
