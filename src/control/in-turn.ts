/** Runs an installation a second time if another installation was faster. */
import { ServerError } from '../database/connection.ts';

/**
 * SQLSTATEs of objects and rows that another installation has made meanwhile. An upgrade of pg-boss divides by zero
 * where another has upgraded, and knows its error again only in English.
 */
const madeMeanwhile = ['22012', '23505', '42P06', '42P07', '42710', '42723'];

/**
 * Calls `work`, and calls `work` again after an error that another installation has caused. Before the first
 * installation, there is no table yet that could be locked.
 */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!madeMeanwhile.includes((error instanceof ServerError && error.code) || '')) throw error;
    return work();
  }
}
