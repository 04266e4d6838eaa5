// What both acts play on: the narrator, clients, and everything that has to be ended, whatever happens.
import { eventually } from '../harness/eventually.ts';
import { startProcess, type ProcessOptions, type RunningProcess } from '../harness/children.ts';
import { openClient, type SqlClient } from '../harness/sql-client.ts';
import { Narrator } from './narrator.ts';

/** Milliseconds: a machine that does much else besides is slow, and no failure. */
const patience = 300_000;

type Ending = () => unknown;

export class Stage {
  readonly tell = new Narrator();
  readonly #endings: Ending[] = [];
  #interrupted = false;

  /** The last one comes first. @throws Error where it is all over already; then the ending has come */
  onEnd(ending: Ending): void {
    this.#endings.unshift(ending);
    if (!this.#interrupted) return;
    void this.cleanUp();
    throw new Error('interrupted');
  }

  /** Whatever is being started now ends as soon as it has. */
  interrupt(): Promise<void> {
    this.#interrupted = true;
    return this.cleanUp();
  }

  async cleanUp(): Promise<void> {
    for (const ending of this.#endings.splice(0)) {
      try {
        await ending();
      } catch {
        // What cannot be ended has ended already.
      }
    }
  }

  /** Starts a program that ends with the play. */
  start(command: string, args: string[], options: ProcessOptions): Promise<RunningProcess> {
    return startProcess({ teardown: (end) => this.onEnd(end) }, command, args, options);
  }

  /** Runs one to its end. @throws Error with what it said, unless it exits with 0 */
  async run(command: string, args: string[], options: ProcessOptions): Promise<string> {
    const running = await this.start(command, args, options);
    const { status, signal, stdout, stderr } = await running.exited;
    if (status === 0) return stdout;
    throw new Error(`${[command, ...args].join(' ')} ended with ${signal ?? status}: ${stderr}${stdout}`);
  }

  async connect(url: string): Promise<SqlClient> {
    const client = await openClient(url);
    this.onEnd(() => client.close());
    return client;
  }

  /** As the backup tool's operator types it. */
  async query<R extends Record<string, string | number | null>>(tool: SqlClient, text: string): Promise<R[]> {
    this.tell.sql('backup_tool', `${text};`);
    const rows = await tool.query<R>(text);
    this.tell.rows(rows);
    return rows;
  }

  /** Any client can poll; one that holds a connection may also LISTEN. `meanwhile` is done before every look. */
  async reach(tool: SqlClient, id: number, wanted: string, meanwhile?: () => Promise<void>): Promise<void> {
    let state: string | undefined;
    const isReached = async () => {
      await meanwhile?.();
      const [row] = await tool.query<{ state: string; error: string | null; hint: string | null }>(
        'SELECT state, error, hint FROM holdfast.backup_request WHERE id = $1',
        [id],
      );
      if (row?.state === 'failed')
        throw new Error(`backup request ${id} has failed: ${row.error} (${row.hint})`);
      state = row?.state;
      return state === wanted;
    };
    const what = () => `backup request ${id} is ${wanted}; it is still ${state}`;
    await eventually(what, isReached, { within: patience, every: 20 });
  }
}
