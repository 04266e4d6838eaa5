/** Puts pieces of files where they belong, whichever thread comes first. */
import { closeSync, constants, fchmodSync, fchownSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { writeAt } from '../../repository/write-at.ts';
import { bytePath } from './byte-path.ts';
import type { Piece } from './frame-pieces.ts';
import type { Owners } from './owners.ts';

/** `root`: of the tar's contents. */
export function writePiece(root: string, piece: Piece, owners: Owners | undefined): void {
  const fd = openToWrite(root, piece);
  try {
    if (piece.header !== undefined) {
      if (owners !== undefined) fchownSync(fd, ...owners.of(piece.header));
      fchmodSync(fd, piece.mode);
    }
    writeAt(fd, piece.data, piece.at);
  } finally {
    closeSync(fd);
  }
}

/** Its directory may not have been met yet: another thread has the frame with it. */
function openToWrite(root: string, { name, mode }: Piece): number {
  const path = bytePath(root, name);
  // Neither truncated nor refused where it exists: another thread may have written its part.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, mode | 0o200);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(bytePath(root, dirname(name)), { recursive: true, mode: 0o700 });
    return openSync(path, flags, mode | 0o200);
  }
}
