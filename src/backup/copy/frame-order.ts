/**
 * Where frames go. Threads compress side by side and finish in any order, but a tar's frames have to follow each
 * other: each thread waits for the frame before its own to have its length known, and then knows its own place.
 */

/** In place of the next frame's number: there will be none. */
const over = -1;

export class FrameOrder {
  readonly buffer: SharedArrayBuffer;
  readonly #next: Int32Array;
  readonly #end: Float64Array;

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#next = new Int32Array(buffer, 0, 1);
    this.#end = new Float64Array(buffer, 8, 1);
  }

  /** Whether the frames before it are placed. */
  isNext(number: number): boolean {
    return Atomics.load(this.#next, 0) === number;
  }

  /** Blocks until the frames before it are placed; returns the offset of this one, undefined when all is over. */
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

  /** No frame is placed any more, and nobody waits for his turn. */
  stop(): void {
    Atomics.store(this.#next, 0, over);
    Atomics.notify(this.#next, 0);
  }

  get isOver(): boolean {
    return Atomics.load(this.#next, 0) === over;
  }
}
