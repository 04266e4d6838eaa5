/**
 * Where frames go. Threads compress side by side and finish in any order, but a tar's frames have to follow each
 * other: each thread waits for the frame before its own to have its length known, and then knows its own place.
 */

export class Turns {
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

  /** Blocks until the frames before it are placed; returns the offset of this one. */
  place(frame: { number: number; startsTar: boolean; length: number }): number {
    for (;;) {
      const next = Atomics.load(this.#next, 0);
      if (next === frame.number) break;
      Atomics.wait(this.#next, 0, next);
    }
    const offset = frame.startsTar ? 0 : (this.#end[0] ?? 0);
    this.#end[0] = offset + frame.length;
    Atomics.store(this.#next, 0, frame.number + 1);
    Atomics.notify(this.#next, 0);
    return offset;
  }
}
