/** Writes parts of files, in any order. */
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { writeAt } from '../system/write-at.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { FileOwner } from './cluster-owner.ts';
import type { ExtractedChunk } from './frame-chunks.ts';
import { fileMode } from './modes.ts';

/**
 * Writes a part. `root`: the directory for the tar's content. `owner`: the owner of the file; undefined: the user of
 * this process.
 */
export function writeChunk(root: string, piece: ExtractedChunk, owner: FileOwner | undefined): void {
  const fd = openToWrite(root, piece);
  try {
    if (piece.header !== undefined) {
      if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
      fchmodSync(fd, fileMode(piece.mode));
    }
    writeAt(fd, piece.data, piece.at);
  } catch (error) {
    // An error of a call with a descriptor has no path.
    (error as Error).message += ` '${bytePathBelow(root, piece.name).toString()}'`;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Gives a file that has been written its final length. Bytes. */
export function setLength(root: string, { name, size }: Pick<ExtractedChunk, 'name' | 'size'>): void {
  const fd = openSync(bytePathBelow(root, name), constants.O_WRONLY | constants.O_NOFOLLOW);
  try {
    ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
}

/** The mode of a file until the part with its header is written. */
const untilItsHeader = 0o600;

/** Creates the directory where missing: the frame with the directory may be processed by another thread. */
function openToWrite(root: string, { name }: ExtractedChunk): number {
  const path = bytePathBelow(root, name);
  // Neither O_TRUNC nor O_EXCL: another thread may have written its part already.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, untilItsHeader);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(bytePathBelow(root, dirname(name)), { recursive: true, mode: 0o700 });
    return openSync(path, flags, untilItsHeader);
  }
}
