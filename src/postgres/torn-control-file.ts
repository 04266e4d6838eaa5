/**
 * Reads global/pg_control of a data directory whose server may run. A file that the server is just writing is read
 * again.
 */
import { closeSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlFileSize, parseControlFile, type ControlFile } from './pg-control.ts';
import { openRegularFileSync } from '../system/regular-file.ts';
import { UnknownFormatError } from './unknown-format-error.ts';

const attempts = 100;
/** Milliseconds between two attempts. */
const pause = 10;

/** The content of global/pg_control. */
export interface SoundControlFile {
  bytes: Buffer;
  control: ControlFile;
}

/**
 * Reads and parses global/pg_control.
 * @throws RangeError where the checksum is wrong in all attempts; UnknownFormatError at once; an error of the file
 * system
 */
export async function readSoundControlFile(dataDirectory: string): Promise<SoundControlFile> {
  const path = `${dataDirectory}/global/pg_control`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return parsed(readHere(path));
    } catch (error) {
      const isFinal = !(error instanceof RangeError) || error instanceof UnknownFormatError;
      if (isFinal || attempt === attempts) throw error;
    }
    await sleep(pause);
  }
}

function readHere(path: string): Buffer {
  const fd = openRegularFileSync(path);
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function parsed(bytes: Buffer): SoundControlFile {
  if (bytes.length !== controlFileSize) throw new RangeError(`it has ${bytes.length} bytes`);
  return { bytes, control: parseControlFile(bytes) };
}
