/** Reads files that another user may have written, such as the descriptions in a repository. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Bytes. A description of a backup with thousands of damaged pages is smaller. */
const mostBytes = 16 * 1024 ** 2;

/**
 * Reads a whole file of at most 16 MB. A pipe would block a thread of Node until somebody writes to the pipe.
 * @throws Error with code `EINVAL` where the file is not a regular file, `EFBIG` where it is larger; as open(2) does
 */
export async function readSmallFile(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) throw refusal(path, 'EINVAL', 'is not a regular file');
    if (found.size > mostBytes) throw refusal(path, 'EFBIG', `is larger than ${mostBytes} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function refusal(path: string, code: string, reason: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`"${path}" ${reason}`), { code, path });
}
