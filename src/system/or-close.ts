/** Closes a file that is not handed on because of an error. */
import type { FileHandle } from 'node:fs/promises';

/**
 * Runs `work`, and closes the file where `work` fails. Node 26 ends the process where the garbage collector finds a file
 * that was never closed (Node documentation, DEP0137).
 */
export async function orClose<T>(file: FileHandle, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
}
