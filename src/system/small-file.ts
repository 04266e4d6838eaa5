/** Reads whole files that another user may have written, such as the descriptions in a repository. */
import type { FileHandle } from 'node:fs/promises';
import { fileRefusal, openRegularFile } from './regular-file.ts';

/** Bytes. A description of a backup with thousands of damaged pages is smaller. */
const mostBytes = 16 * 1024 ** 2;

/** Bytes. A text in JavaScript is not longer; the manifest of a million files has about 150 MB. */
export const longestText = 512 * 1024 ** 2;

/** What readSmallFile() reads. */
export interface SmallFileOptions {
  /** Bytes; a larger file is refused. */
  most?: number;
  /** Further flags for open(2). */
  flags?: number;
}

/**
 * Reads a whole file of at most 16 MB, or of at most `most` bytes.
 * @throws Error with code `EINVAL` where the file is not a regular file, `EFBIG` where it is larger; as open(2) does
 */
export async function readSmallFile(
  path: string,
  { most = mostBytes, flags = 0 }: SmallFileOptions = {},
): Promise<Buffer> {
  const file = await openRegularFile(path, flags);
  try {
    return await readSmall(file, path, most);
  } finally {
    await file.close();
  }
}

/** The same as readSmallFile(), for an open file. `path`: for the message of an error. */
export async function readSmall(file: FileHandle, path: string, most = mostBytes): Promise<Buffer> {
  const { size } = await file.stat();
  if (size > most) throw fileRefusal(path, 'EFBIG', `is larger than ${most} bytes`);
  return file.readFile();
}
