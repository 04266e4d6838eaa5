/**
 * The positions of frames in a tar. Threads compress in parallel and finish in any order, but the frames of a tar
 * must follow each other. So each thread waits until the length of the frame before its own is known.
 */

/** Value of the next frame number after `stop`: no frame is placed any more. */
const over = -1;

/** The order of frames in memory that all threads of a copy share. */
export class FrameOrder {
  readonly buffer: SharedArrayBuffer;
  readonly #next: Int32Array;
  readonly #end: Float64Array;

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#next = new Int32Array(buffer, 0, 1);
    this.#end = new Float64Array(buffer, 8, 1);
  }

  /** Whether all frames before `number` are placed. */
  isNext(number: number): boolean {
    return Atomics.load(this.#next, 0) === number;
  }

  /**
   * Blocks until all frames before this frame are placed. Returns the offset of the frame in the tar; undefined:
   * the copy has ended.
   */
  place(frame: { number: number; startsTar: boolean; length: number }): number | undefined {
    for (;;) {
      const next = Atomics.load(this.#next, 0);
      if (next === frame.number) break;
      if (next === over) return undefined;
      Atomics.wait(this.#next, 0, next);
    }
    const offset = frame.startsTar ? 0 : (this.#end[0] ?? 0);
    this.#end[0] = offset + frame.length;
    Atomics.compareExchange(this.#next, 0, frame.number, frame.number + 1);
    Atomics.notify(this.#next, 0);
    return offset;
  }

  /** Ends the order: no frame is placed any more, and every thread that waits in `place` returns. */
  stop(): void {
    Atomics.store(this.#next, 0, over);
    Atomics.notify(this.#next, 0);
  }

  /** Whether `stop` has been called. */
  get isOver(): boolean {
    return Atomics.load(this.#next, 0) === over;
  }
}
