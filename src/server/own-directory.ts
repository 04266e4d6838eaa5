/**
 * Tells whether a server runs on a data directory. Behind the address of a server that was killed, another one of the same
 * system may answer, with its own data directory at the same path elsewhere.
 */
import type { Connection } from '../database/connection.ts';
import { readSoundControlFile } from '../postgres/torn-control-file.ts';
import { sourceOf } from './server-queries.ts';

/** The file may be written between the answer and the reading. Times in the file are in seconds, so not twice. */
const attempts = 3;

/**
 * Whether the server of this connection has written the pg_control of that directory.
 * @throws an error where the server does not answer, or the file cannot be read
 */
export async function hasWritten(db: Connection, dataDirectory: string): Promise<boolean> {
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const { systemIdentifier, modifiedAt } = await sourceOf(db);
    const { control } = await readSoundControlFile(dataDirectory);
    if (control.systemIdentifier === systemIdentifier && control.modifiedAt === modifiedAt) return true;
  }
  return false;
}
