/** Puts pieces of files where they belong, whichever thread comes first. */
import { closeSync, constants, fchmodSync, fchownSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { writeAt } from '../system/write-at.ts';
import { bytePathBelow } from '../system/byte-path.ts';
import type { FileOwner } from './cluster-owner.ts';
import type { ExtractedChunk } from './frame-chunks.ts';
import { fileMode } from './modes.ts';

/** `root`: of the tar's contents; `owner`: of the file, unless that is ourselves. */
export function writePiece(root: string, piece: ExtractedChunk, owner: FileOwner | undefined): void {
  const fd = openToWrite(root, piece);
  try {
    if (piece.header !== undefined) {
      if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
      fchmodSync(fd, fileMode(piece.mode));
    }
    writeAt(fd, piece.data, piece.at);
  } finally {
    closeSync(fd);
  }
}

/** The mode of a file whose own mode is not known yet. */
const untilItsHeader = 0o600;

/** Its directory may not have been met yet: another thread has the frame with it. */
function openToWrite(root: string, { name }: ExtractedChunk): number {
  const path = bytePathBelow(root, name);
  // Neither truncated nor refused where it exists: another thread may have written its part.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, untilItsHeader);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(bytePathBelow(root, dirname(name)), { recursive: true, mode: 0o700 });
    return openSync(path, flags, untilItsHeader);
  }
}
