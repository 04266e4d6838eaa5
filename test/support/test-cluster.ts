/** A server that a test has, wherever it comes from. */
import type { Major } from '../../dev/embedded/binaries.ts';

export interface TestCluster {
  /** The major version. */
  readonly version: number;
  /** Where this process can read the server's files; undefined where it cannot. */
  readonly dataDirectory: string | undefined;
  readonly archiveDirectory: string | undefined;
  /** A database with Holdfast in it, to be copied or renamed; undefined where it is to be installed first. */
  readonly installedDatabase?: string | undefined;
  /** Default: the superuser, in the database postgres. */
  url(options?: { database?: string; user?: string; password?: string }): string;
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
  restart(mode?: 'fast' | 'immediate'): Promise<void>;
  /** ALTER SYSTEM, in force when it resolves: by a reload, or a restart where the setting needs one. */
  configure(settings: Record<string, string>): Promise<void>;
  readonly archiving: {
    /** Every attempt to archive fails from now on. */
    fail(): Promise<void>;
    /** Attempts succeed again, and the archiver is woken (by a WAL switch), however long it meant to sleep. */
    recover(): Promise<void>;
  };
  /** A new directory that belongs to the server, for tablespaces and the like; bytes for a name that is no text. */
  serverDirectory<Path extends string | Buffer>(name: Path): Promise<Path>;
  remove(): Promise<void>;
}

export interface OwnClusterOptions {
  version?: Major;
  settings?: Record<string, string>;
  initdb?: string[];
  /** With a database in which Holdfast is installed, where that can be had faster than by installing it. */
  installed?: boolean;
}
