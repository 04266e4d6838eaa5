/** Splits one frame of a tar into directories and parts of files. Pure. */
import type { FrameEntry } from '../repository/frame-index.ts';
import { parseHeader, tarPadding, type TarMember } from '../repository/tar.ts';

/** A part of a file. */
export interface ExtractedChunk {
  name: string;
  /** Bytes of the whole file. */
  size: number;
  /** The offset of the part in the file. Bytes. */
  at: number;
  data: Buffer;
  mode: number;
  /** The header of the member; undefined where the header is in another frame. */
  header: TarMember | undefined;
}

/** The content of one frame. */
export interface FrameContents {
  directories: TarMember[];
  pieces: ExtractedChunk[];
}

/** Parses a decompressed frame. @throws RangeError with the problem */
export function contentsOf(bytes: Buffer, { continues }: Pick<FrameEntry, 'continues'>): FrameContents {
  const contents: FrameContents = { directories: [], pieces: [] };
  let at = 0;
  if (continues !== undefined) {
    const { name, left, size, mode } = continues;
    if (continues.at + left !== size) throw new RangeError(`the index contradicts itself about "${name}"`);
    const data = bytes.subarray(0, left);
    contents.pieces.push({ name, size, at: continues.at, data, mode, header: undefined });
    at = left > bytes.length ? bytes.length : left + tarPadding(size);
  }
  while (at < bytes.length) {
    const { member, dataAt } = parseHeader(bytes, at);
    if (member === undefined) {
      refuseRest(bytes.subarray(dataAt));
      break;
    }
    const { name, size, mode } = member;
    if (name.endsWith('/')) {
      contents.directories.push(member);
      at = dataAt;
      continue;
    }
    const data = bytes.subarray(dataAt, dataAt + size);
    contents.pieces.push({ name, size, at: 0, data, mode, header: member });
    at = dataAt + size + tarPadding(size);
  }
  return contents;
}

/** Only zeros may follow the end of the archive. */
function refuseRest(bytes: Buffer): void {
  if (bytes.some((byte) => byte !== 0)) throw new RangeError('something follows the end of the tar archive');
}
