/**
 * One look at a server's archive status serves everybody who waits for its archiver: while one look is under
 * way, whoever else wants one shares the next.
 */
import type { Connection } from '../database/connection.ts';
import { archiveStatus, type ArchiveServer, type ArchiveStatus } from './server-queries.ts';

export interface ObservedArchiver {
  server: ArchiveServer;
  files: ArchiveStatus[];
}

interface Batch {
  names: Set<string>;
  answer: Promise<ObservedArchiver>;
}

export class ArchiveWatch {
  readonly #connect: () => Promise<Connection>;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #next: Batch | undefined;

  constructor(connect: () => Promise<Connection>) {
    this.#connect = connect;
  }

  /** Where the archiver stands with these files. */
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
