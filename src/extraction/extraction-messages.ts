/** The messages between the extraction threads and the thread that starts them. */
import type { FrameEntry } from '../repository/frame-index.ts';
import type { RelationGeometry } from '../postgres/incremental-file.ts';
import type { TarMember } from '../repository/tar.ts';
import type { FileOwner } from './cluster-owner.ts';

/** The worker data of a thread. */
export interface ThreadSetup {
  /** The directory with the tars. */
  directory: string;
  /**
   * The directory for the content of each tar, by the name of the tar; undefined: the content is checked and not
   * written.
   */
  roots: Record<string, string> | undefined;
  /** Paths of files whose content is reported. */
  kept: string[];
  /** Paths of files that are not written. */
  withheld: string[];
  /** The owner of the files; undefined: the user of this process. */
  owner: FileOwner | undefined;
  /** The place of the backup in its chain; undefined: a full copy that is extracted alone. */
  layer: ChainLayer | undefined;
  /**
   * The major version of PostgreSQL. The files in a tablespace are below a directory with this version in its name.
   */
  major: number;
}

/** What a thread knows of the chain to which the backup belongs. */
export interface ChainLayer {
  geometry: RelationGeometry;
  /** Paths, as in the manifest of this link, that are not written (chain-layers.ts). */
  superseded: ReadonlySet<string>;
  /** Whether the link is the last one: its directories are created, and the files get their lengths. */
  isLast: boolean;
  /** The start LSN of the backup, where page checksums are verified; undefined: they are not. */
  verifiedFrom: bigint | undefined;
}

/** A frame to extract; `number` is returned with the answer. */
export interface ExtractionTask {
  number: number;
  frame: FrameEntry;
  /** Where the frame begins within an incremental file: the frame in which the file begins. */
  first: FrameEntry | undefined;
}

/** A part of a file that has been extracted. */
export interface FileChunk {
  /** The path of the file in backup_manifest. */
  path: string;
  /** Bytes of the whole file. */
  size: number;
  /** Offset and length of the part. Bytes. */
  at: number;
  length: number;
  crc32c: number;
}

/** The content of one frame. */
export interface ExtractedFile {
  parts: FileChunk[];
  directories: { path: string; header: TarMember }[];
  kept: { path: string; at: number; bytes: Uint8Array }[];
  /** Pages whose checksums do not fit, where those are verified. `block`: as a server counts. */
  unsound: { path: string; block: number }[];
}

/** The answer to a task; `system`: whether a system call failed, which says nothing about the backup. */
export type ExtractionAnswer = { number: number } & (
  { extracted: ExtractedFile } | { problem: string; system: boolean }
);

/**
 * Returns the path of a member in backup_manifest, where the files of a tablespace are below pg_tblspc/<oid>. In the
 * tar of a tablespace, the files are at the top.
 */
export function manifestPath(tar: string, name: string): string {
  const [, oid] = /^(\d+)\.tar\.zst$/.exec(tar) ?? [];
  return oid === undefined ? name : `pg_tblspc/${oid}/${name}`;
}
