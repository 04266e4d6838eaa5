/** global/pg_control of a data directory, as bytes. */
import { readFileSync } from 'node:fs';
import { CopyError } from './copy-error.ts';

export function readControlFile(dataDirectory: string): Buffer {
  const path = `${dataDirectory}/global/pg_control`;
  try {
    return readFileSync(path);
  } catch (error) {
    throw CopyError.reading(path, error);
  }
}
