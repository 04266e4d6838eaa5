/** The files of a manifest in a compact form, because a cluster may have millions of files. */

/** Size in bytes and checksum of a file. */
export interface ManifestFileEntry {
  size: number;
  /** undefined: the file has no checksum, or a checksum of another algorithm. */
  crc32c: number | undefined;
}

/** Maps paths to sizes and checksums. */
export class ManifestFiles {
  /** Paths have one character per byte (latin1). Tablespaces are below pg_tblspc/<oid>. */
  readonly #numbers = new Map<string, number>();
  #sizes = new Float64Array(256);
  /** NaN: no checksum. */
  #sums = new Float64Array(256);

  /** The number of files. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Adds a file. @throws RangeError where the path has been added before */
  add(path: string, { size, crc32c }: ManifestFileEntry): void {
    if (this.#numbers.has(path)) throw new RangeError(`it lists "${path}" twice`);
    const number = this.#numbers.size;
    if (number === this.#sizes.length) {
      this.#sizes = larger(this.#sizes);
      this.#sums = larger(this.#sums);
    }
    this.#numbers.set(path, number);
    this.#sizes[number] = size;
    this.#sums[number] = crc32c ?? NaN;
  }

  get(path: string): ManifestFileEntry | undefined {
    const number = this.#numbers.get(path);
    return number === undefined ? undefined : this.#file(number);
  }

  has(path: string): boolean {
    return this.#numbers.has(path);
  }

  *[Symbol.iterator](): Generator<[path: string, file: ManifestFileEntry]> {
    for (const [path, number] of this.#numbers) yield [path, this.#file(number)];
  }

  #file(number: number): ManifestFileEntry {
    const sum = this.#sums[number] ?? NaN;
    return { size: this.#sizes[number] ?? 0, crc32c: Number.isNaN(sum) ? undefined : sum };
  }
}

function larger(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(2 * numbers.length);
  copy.set(numbers);
  return copy;
}
