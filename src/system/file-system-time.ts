/** The clock of a file system, which may be that of another host. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from './temporary-files.ts';

/** Returns the modification time of a file that is written now into `directory`; `name`: what its name begins with. */
export async function fileSystemTime(directory: string, name: string): Promise<Date> {
  const path = join(directory, temporaryName(name));
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile('.');
    return (await file.stat()).mtime;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
