/** Reads global/pg_control for a copy. */
import { readSoundControlFile } from '../../postgres/torn-control-file.ts';
import { CopyError } from './copy-error.ts';

/**
 * Returns the content of global/pg_control.
 * @throws CopyError where the file does not exist, or its checksum is wrong in all attempts
 */
export async function readControlFile(dataDirectory: string): Promise<Buffer> {
  try {
    return (await readSoundControlFile(dataDirectory)).bytes;
  } catch (error) {
    throw CopyError.reading(`${dataDirectory}/global/pg_control`, error);
  }
}
