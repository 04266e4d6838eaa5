/** Two installations at once: the second one finds what the first has made. */
import { ServerError } from '../database/connection.ts';

/** What another installation had made by the time that this one wanted to. */
const madeMeanwhile = ['23505', '42P06', '42P07', '42710', '42723'];

/** Where there is nothing yet that could be locked, another installation is seen by what it has made. */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!madeMeanwhile.includes((error instanceof ServerError && error.code) || '')) throw error;
    return work();
  }
}
