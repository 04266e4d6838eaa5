/** The files of one data directory, archived in order by several lanes, and beside other processes that do the same. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { discardPrepared, placePrepared, type PreparedFile } from './push-segment.ts';
import {
  forgetRefusal,
  hasPushedMarker,
  isBusy,
  recordedRefusal,
  recordRefusalOf,
  settleMilliseconds,
  removeOldMarkers,
  withPushedMarker,
  type ArchiveDestination,
} from './pushed-markers.ts';
import { inSequence, isWaiting, waitingFiles } from './waiting-files.ts';

export interface PassOptions {
  walDirectory: string;
  target: ArchiveDestination;
  /** How many files behind the first. */
  ahead: number;
  goOn: () => boolean | Promise<boolean>;
}

type Prepare = (path: string) => Promise<PreparedFile>;

interface Turn {
  name: string;
  /** Rejects where the file before it has not been archived. */
  before: Promise<void>;
  done: PromiseWithResolvers<void>;
}

const pollEvery = 5;

/** Why a pass ends without anything being wrong with its own files. */
const passIsOver = new Error('the file before it has not been archived');

export class AheadPass {
  readonly #options: PassOptions;
  readonly #taken = new Set<string>();
  /** Of the file that was taken last. */
  #last: Promise<void> = Promise.resolve();
  /** Lanes take one after the other. */
  #taking: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #failure: Error | undefined;
  #pushed = 0;

  constructor(options: PassOptions) {
    this.#options = options;
  }

  /** One lane. */
  async run(prepare: Prepare): Promise<void> {
    while (!this.#isOver && (await this.#options.goOn())) {
      const take = this.#taking.then(() => this.#take());
      this.#taking = take.catch(() => undefined);
      const turn = await take;
      if (turn === undefined) return;
      await this.#archive(turn, prepare);
    }
  }

  /** How many were archived. @throws what the first one that was not has failed with */
  result(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#pushed;
  }

  /** The next one that nobody has archived from this directory, with its turn behind those before it. */
  async #take(): Promise<Turn | undefined> {
    const { walDirectory, ahead, target } = this.#options;
    const waiting = await waitingFiles(walDirectory);
    await removeOldMarkers(walDirectory, new Set(waiting));
    if (await this.#isRefused()) return undefined;
    const sequence = await inSequence(walDirectory, waiting);
    if (sequence.length < 2) return undefined; // the archiver has that one in hand, and keeps up
    for (const name of sequence.slice(0, 1 + ahead)) {
      if (this.#taken.has(name) || (await hasPushedMarker(join(walDirectory, name), target))) continue;
      this.#taken.add(name);
      const turn = { name, before: this.#last, done: Promise.withResolvers<void>() };
      this.#last = turn.done.promise;
      this.#last.catch(() => undefined); // there need not be one behind it
      return turn;
    }
    return undefined;
  }

  async #isRefused(): Promise<boolean> {
    const { walDirectory } = this.#options;
    const refused = await recordedRefusal(walDirectory);
    if (refused === undefined) return false;
    if (isWaiting(walDirectory, refused)) return true;
    await forgetRefusal(walDirectory);
    return false;
  }

  async #archive({ name, before, done }: Turn, prepare: Prepare): Promise<void> {
    const path = join(this.#options.walDirectory, name);
    try {
      if (await isBusy(path)) await this.#awaitOther(name, before);
      else await this.#archiveHere(path, before, prepare);
      done.resolve();
    } catch (error) {
      const isPast = error !== passIsOver && !isWaiting(this.#options.walDirectory, name);
      if (isPast) return void before.then(done.resolve, done.reject);
      this.#isOver = true;
      done.reject(passIsOver);
      if (error === passIsOver) return;
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      await recordRefusalOf(path);
    }
  }

  async #archiveHere(path: string, before: Promise<void>, prepare: Prepare): Promise<void> {
    await settles(path);
    await withPushedMarker(path, this.#options.target, async () => {
      const prepared = await prepare(path);
      await before.catch(async () => {
        await discardPrepared(prepared);
        throw passIsOver;
      });
      await placePrepared(prepared);
    });
    this.#pushed += 1;
  }

  /** Another process has it in hand: "wal push", or one that goes ahead as well. */
  async #awaitOther(name: string, before: Promise<void>): Promise<void> {
    const { walDirectory, target } = this.#options;
    const path = join(walDirectory, name);
    while (await isBusy(path)) await sleep(pollEvery);
    await before;
    if (isWaiting(walDirectory, name) && !(await hasPushedMarker(path, target))) throw passIsOver;
  }
}

async function settles(path: string): Promise<void> {
  const age = Date.now() - (await stat(path)).ctimeMs;
  if (age < settleMilliseconds) await sleep(settleMilliseconds - age);
}
