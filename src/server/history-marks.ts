/**
 * The marks that copies leave in the data directory from which they are made:
 *
 *   <data directory>/pgsql_tmp.holdfast.copies   a line for each copy: a random mark, which backup.json has, too
 *
 * A directory with the mark of a copy has been what that copy ended with, and has gone on from there. A directory that
 * was put back from an older snapshot goes on under the same timeline, and its next backup may even begin at the same
 * LSN; but it has no mark of the copies made meanwhile, nor of one that was under way at the moment of the snapshot.
 * PostgreSQL's tools and copies skip the file (see wal/our-directories.ts for the name).
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fsyncDirectory } from '../system/durable-files.ts';
import { noFollow, within } from '../system/held-directory.ts';
import { giveFileToOwnerOf } from '../system/ownership.ts';
import { requireRegular } from '../system/regular-file.ts';
import { readSmallFile } from '../system/small-file.ts';

const fileName = 'pgsql_tmp.holdfast.copies';
/** Bytes, about 28000 copies. A larger file is begun anew, and the next copy is a full one. */
const mostBytes = 1 << 20;

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;

/**
 * Leaves the mark of a copy, and returns it; durable when the promise resolves. To be called when everything has been read,
 * and before pg_backup_stop: a snapshot with the mark then has all the WAL behind what was read, and the session of the backup
 * shows that no other directory has taken the place of the one that was copied.
 * @throws an error of the file system where this user may not write to the data directory
 */
export function leaveMark(dataDirectory: string): Promise<string> {
  return within(dataDirectory, async (at) => {
    const mark = randomUUID();
    const path = join(at, fileName);
    const file = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | noFollow, 0o600);
    try {
      const found = await file.stat();
      requireRegular(path, found);
      await giveFileToOwnerOf(at, file);
      if (found.size > mostBytes) await file.truncate();
      await file.appendFile(`\n${mark}\n`); // the line before it may have been cut off by a crash
      await file.sync();
    } finally {
      await file.close();
    }
    await fsyncDirectory(at);
    return mark;
  });
}

/** Returns the marks in a data directory; none where they cannot be read. */
export async function readMarks(dataDirectory: string): Promise<ReadonlySet<string>> {
  const text = await within(dataDirectory, (at) =>
    readSmallFile(join(at, fileName), { most: 2 * mostBytes, flags: noFollow }),
  ).then(String, () => '');
  return new Set(text.split('\n').filter((line) => line !== ''));
}
