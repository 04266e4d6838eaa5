/**
 * Shares queries for the archive status of a server among all requests that wait for the archiver. While one query
 * runs, all further callers share the next query.
 */
import type { Connection } from '../database/connection.ts';
import { archiveStatus, type ArchiveServer, type ArchiveStatus } from './server-queries.ts';

/** The archive status of some files. */
export interface ObservedArchiver {
  server: ArchiveServer;
  files: ArchiveStatus[];
}

interface Batch {
  names: Set<string>;
  answer: Promise<ObservedArchiver>;
}

/** One query at a time for the archive status of a server. */
export class ArchiveWatch {
  readonly #connect: () => Promise<Connection>;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #next: Batch | undefined;

  constructor(connect: () => Promise<Connection>) {
    this.#connect = connect;
  }

  /** Returns the archive status of the given files. At least one file must be given. */
  async look(names: readonly string[]): Promise<ObservedArchiver> {
    this.#next ??= this.#newBatch();
    const batch = this.#next;
    for (const name of names) batch.names.add(name);
    const { server, files } = await batch.answer;
    const wanted = new Set(names);
    return { server, files: files.filter(({ name }) => wanted.has(name)) };
  }

  #newBatch(): Batch {
    const names = new Set<string>();
    const answer = this.#lastTurn.then(async () => {
      this.#next = undefined;
      return archiveStatus(await this.#connect(), [...names]);
    });
    this.#lastTurn = answer.catch(() => undefined);
    return { names, answer };
  }
}
