/** What the threads of a copy tell each other. All of it is cloned on the way. */
import type { TarMember } from '../../repository/tar.ts';
import type { PageRules } from '../../postgres/page-checksum.ts';

/** To the coordinator, with which it begins. */
export interface CopyOptions {
  dataDirectory: string;
  /** Where the tars and the manifest go: a directory that is there. */
  output: string;
  /** The same for people, where that is another path. */
  outputShown?: string;
  /** The server's major version. */
  major: number;
  systemIdentifier: string;
  startLsn: string;
  /** The sum of the files' sizes, as far as it is known. */
  expectedBytes: number;
  /** Threads that read and compress at the same time. */
  jobs: number;
  /** zstd's. */
  level: number;
  /** Bytes of files a second; undefined: as fast as it goes. */
  rateLimit: number | undefined;
  /** Of a page whose checksum is wrong. */
  onDamagedPage: 'warn' | 'fail';
}

/** To the thread that looks before a copy. */
export interface SurveyOptions {
  dataDirectory: string;
  /** The server's major version. */
  major: number;
}

export type FromSurvey = { bytes: number } | { failure: CopyFailure };

/** To the coordinator, when pg_backup_stop has returned. */
export interface FinishOptions {
  label: Uint8Array;
  tablespaceMap: Uint8Array | null;
  timeline: number;
  stopLsn: string;
}

export interface TarSummary {
  name: string;
  /** As it lies in the repository. */
  bytes: number;
  /** Of the tar itself. */
  size: number;
  frames: number;
}

export interface CopySummary {
  checksums: boolean;
  blockSize: number;
  walSegmentSize: number;
  relationSegmentBlocks: number;
  /** The sum of the files' sizes, and how many there are. */
  bytes: number;
  files: number;
  tars: TarSummary[];
  tablespaces: { oid: number; path: string; tar: string }[];
  damagedPages: DamagedPage[];
  manifestCrc32c: number;
  manifestBytes: number;
  framesCrc32c: number;
}

export interface DamagedPage {
  file: string;
  /** Counted through all the files of the relation. */
  block: number;
}

export type FromCoordinator =
  | { type: 'progress'; expected: number; done: number }
  | { type: 'warning'; text: string }
  /** Everything but the label is in the tars. */
  | { type: 'copied' }
  | { type: 'finished'; summary: CopySummary }
  | { type: 'failed'; failure: CopyFailure };

export interface CopyFailure {
  /** Which side it was. */
  side: 'read' | 'write' | 'damage' | 'other';
  /** The system's code, such as ENOSPC. */
  code: string | undefined;
  message: string;
}

/** To a compressing thread, with which it begins. */
export interface ThreadOptions {
  level: number;
  /** undefined: the cluster has no checksums. */
  pages: PageRules | undefined;
  /** See turns.ts. */
  turns: SharedArrayBuffer;
}

/** What one frame is made of. */
export interface FrameTask {
  /** Frames are placed in this order, which goes through all tars. */
  number: number;
  /** The tar's file descriptor, which all threads of the process share. */
  fd: number;
  /** It is the tar's first. */
  startsTar: boolean;
  parts: FrameItem[];
}

export interface FrameItem {
  /** Its header comes first. */
  member?: TarMember;
  data?: FrameItemData;
}

export type FrameItemData =
  /** A file that fits into the frame. One that has vanished is left out with its header. */
  | { kind: 'file'; source: string; owner?: number | undefined; size: number; firstBlock: number | undefined }
  /** A piece of an open file, with tar's padding behind the last one. */
  | { kind: 'piece'; fd: number; at: number; size: number; padding: number; firstBlock: number | undefined }
  | { kind: 'bytes'; bytes: Uint8Array };

export interface FrameResult {
  number: number;
  offset: number;
  length: number;
  size: number;
  /** One for each part with data; null: it had vanished. */
  contents: ({ size: number; crc32c: number } | null)[];
  /** Blocks, by the number of the part. */
  damaged: { part: number; block: number }[];
}

export type FromThread = { result: FrameResult } | { failure: CopyFailure };
