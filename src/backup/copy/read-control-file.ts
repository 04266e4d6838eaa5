/** Reads global/pg_control of a data directory. A file that the server is just writing is read again. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlFileSize, parseControlFile } from '../../postgres/pg-control.ts';
import { CopyError } from './copy-error.ts';

const attempts = 100;
/** Milliseconds between two attempts. */
const pause = 10;

/**
 * Returns the content of global/pg_control.
 * @throws CopyError where the file does not exist, or its checksum is wrong in all attempts
 */
export async function readControlFile(dataDirectory: string): Promise<Buffer> {
  const path = `${dataDirectory}/global/pg_control`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return checked(readFileSync(path));
    } catch (error) {
      if (!(error instanceof RangeError) || attempt === attempts) throw CopyError.reading(path, error);
    }
    await sleep(pause);
  }
}

function checked(bytes: Buffer): Buffer {
  if (bytes.length !== controlFileSize) throw new RangeError(`it has ${bytes.length} bytes`);
  parseControlFile(bytes);
  return bytes;
}
