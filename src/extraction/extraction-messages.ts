/** What the threads and their coordinator tell each other. */
import type { FrameEntry } from '../repository/frame-index.ts';
import type { TarMember } from '../repository/tar.ts';
import type { FileOwner } from './cluster-owner.ts';

export interface ThreadSetup {
  /** Where the tars are. */
  directory: string;
  /** Where the contents of each tar go, by its name; undefined: nowhere, they are only read. */
  roots: Record<string, string> | undefined;
  /** Files whose contents are reported, by path. */
  kept: string[];
  /** Files that are not written, by path. */
  withheld: string[];
  /** Whose the files are to be; undefined: ourselves. */
  owner: FileOwner | undefined;
  /** Of PostgreSQL: a tablespace has its files below a directory that is named after it. */
  major: number;
}

export interface ExtractionTask {
  number: number;
  frame: FrameEntry;
}

/** Part of a file, as it is now on disk. */
export interface FileChunk {
  /** As in backup_manifest. */
  path: string;
  size: number;
  at: number;
  length: number;
  crc32c: number;
}

export interface ExtractedFile {
  parts: FileChunk[];
  directories: { path: string; header: TarMember }[];
  kept: { path: string; at: number; bytes: Uint8Array }[];
}

export type ExtractionAnswer = { number: number } & (
  { extracted: ExtractedFile } | { problem: string; system: boolean }
);

/** A tablespace's files are below pg_tblspc/<oid> in the manifest, and at the top in its own tar. */
export function manifestPath(tar: string, name: string): string {
  const [, oid] = /^(\d+)\.tar\.zst$/.exec(tar) ?? [];
  return oid === undefined ? name : `pg_tblspc/${oid}/${name}`;
}
