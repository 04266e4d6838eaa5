/**
 * `holdfast status --watch`: redraws a terminal. If the output is a pipe or JSON, only changes are printed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { withControl } from '../../control/control-client.ts';
import type { Connection, ConnectOptions } from '../../database/connection.ts';
import { HoldfastError } from '../../errors.ts';
import { commandFailureOf, reportFailure } from '../failure.ts';
import { time } from './format.ts';
import { paint } from './paint.ts';
import { print, printLines } from './output.ts';
import { truncate } from './table.ts';

/** One state of the output. */
export interface WatchView {
  lines: (width: number) => string[];
  /** The output for `--json`. */
  data: object;
  /** A text that changes only when an event has happened. The text contains no ages. */
  gist: string;
}

type Show = (db: Connection) => Promise<WatchView>;

/**
 * Shows the state every `every` milliseconds until Ctrl-C or SIGTERM. Reconnects after a lost connection.
 * @throws HoldfastError where the request itself is wrong
 */
export async function watch(
  every: number,
  json: boolean,
  control: ConnectOptions,
  show: Show,
): Promise<void> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const screen = process.stdout.isTTY && !json ? new Screen() : new Journal(json);
  while (!stop.signal.aborted) {
    await withControl(control, async (db) => {
      while (!stop.signal.aborted) {
        await screen.show(await show(db));
        await pause(every, stop.signal);
      }
    }).catch((error: unknown) => {
      const failure = commandFailureOf(error);
      // An error of the request is permanent; an error of the connection may pass.
      if (error instanceof HoldfastError && failure.code !== 'connection_failed') throw error;
      screen.fail(failure);
    });
    await pause(every, stop.signal);
  }
  await screen.end();
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}

type Failure = ReturnType<typeof commandFailureOf>;

/** The output on a terminal. */
class Screen {
  #view: WatchView | undefined;
  #failure: Failure | undefined;

  constructor() {
    process.stdout.on('resize', () => void this.#draw());
    process.stdout.write('\u001b[?25l\u001b[2J');
  }

  show(view: WatchView): Promise<void> {
    this.#view = view;
    this.#failure = undefined;
    return this.#draw();
  }

  fail(failure: Failure): void {
    this.#failure = failure;
    void this.#draw();
  }

  end(): Promise<void> {
    process.stdout.removeAllListeners('resize');
    return print('\u001b[?25h');
  }

  /** Redraws from the upper left corner, each line to its end, so that the screen does not flicker. */
  #draw(): Promise<void> {
    const { columns, rows } = process.stdout;
    const head = `${time(new Date())}  Ctrl-C ends`;
    const lines = [
      ...(this.#failure === undefined
        ? [paint(head, 'dim'), '']
        : [paint(truncate(this.#failure.message, columns), 'red'), '']),
      ...(this.#view?.lines(columns) ?? []),
    ];
    const fitting = lines.length < rows ? lines : [...lines.slice(0, rows - 2), '…'];
    return print(`\u001b[H${fitting.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
  }
}

/** The output into a pipe, or as JSON lines. */
class Journal {
  readonly #json: boolean;
  #gist: string | undefined;

  constructor(json: boolean) {
    this.#json = json;
  }

  async show(view: WatchView): Promise<void> {
    if (view.gist === this.#gist) return;
    this.#gist = view.gist;
    if (this.#json) await print(`${JSON.stringify(view.data)}\n`);
    else await printLines([`--- ${time(new Date())}`, ...view.lines(Infinity)]);
  }

  fail(failure: Failure): void {
    if (this.#gist === failure.message) return;
    this.#gist = failure.message;
    reportFailure(failure, this.#json);
  }

  async end(): Promise<void> {}
}
