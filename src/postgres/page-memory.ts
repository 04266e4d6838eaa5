/**
 * Memory in which the checksums of pages are computed by a function in WebAssembly. JavaScript has no vectors, with
 * which the 32 sums of a page (page-checksum.ts) are computed four at a time.
 */

/** The part of WebAssembly's interface that is used here; the types of Node lack it. Node has none with --jitless. */
declare const WebAssembly:
  | {
      Memory: new (limits: { initial: number }) => { buffer: ArrayBuffer };
      Module: new (bytes: Uint8Array) => object;
      Instance: new (
        module: object,
        imports: Record<string, Record<string, unknown>>,
      ) => { exports: Record<string, unknown> };
      CompileError: ErrorConstructor;
    }
  | undefined;

/** Bytes of a page of WebAssembly's memory. */
const memoryPage = 64 * 1024;

/** Returns the checksum of the page at `at`, as block `block`. `size`: bytes per page. All positions are in bytes. */
export type PageSum = (at: number, size: number, block: number) => number;

/** Memory, and the function that computes the checksums of pages in this memory. */
export interface PageMemory {
  buffer: ArrayBuffer;
  sum: PageSum;
}

/**
 * Allocates memory. `offsets` and `prime`: the numbers of the checksum. Returns undefined where that is not possible:
 * a process with a limit of its address space cannot reserve the addresses that WebAssembly wants, an old processor has
 * no vectors, and Node may run without WebAssembly.
 */
export function allocatePageMemory(
  bytes: number,
  numbers: { offsets: Int32Array; prime: number },
): PageMemory | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / memoryPage) });
    const module = new WebAssembly.Module(moduleOf(numbers));
    const { exports } = new WebAssembly.Instance(module, { '': { memory } });
    return { buffer: memory.buffer, sum: exports['sum'] as PageSum };
  } catch (error) {
    if (error instanceof RangeError || error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}

// The binary format of WebAssembly (https://webassembly.github.io/spec/core/binary/).
const i32 = 0x7f;
const v128 = 0x7b;
const emptyBlock = 0x40;
const code = (...parts: number[][]) => parts.flat();
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const constant = (value: number) => [0x41, ...signed(value)];
const load = (offset: number) => [0x28, 2, ...unsigned(offset)];
const store = (offset: number) => [0x36, 2, ...unsigned(offset)];
const and = [0x71];
const add = [0x6a];
const xor = [0x73];
const isBelow = [0x49];
const remainder = [0x70];
const end = [0x0b];
const repeatIf = [0x0d, 0];
const loop = (body: number[]) => [0x03, emptyBlock, ...body, ...end];
const vector = (operation: number, ...operands: number[]) => [0xfd, ...unsigned(operation), ...operands];
const loadVector = (offset: number) => vector(0x00, 4, ...unsigned(offset));
const constantVector = (words: Int32Array) =>
  vector(0x0c, ...new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
const extractLane = (lane: number) => vector(0x1b, lane);
const xorVector = vector(0x51);
const shiftRight = vector(0xad);
const multiply = vector(0xb5);

/** The parameters and the local variables of the function. */
const [at, size, block, next, last, kept, both, primes, firstSum] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
const vectors = 8;
/** The offset of pd_checksum, which is followed by pd_flags, in a page. */
const checksumAt = 8;

function moduleOf({ offsets, prime }: { offsets: Int32Array; prime: number }): Uint8Array {
  const sums = Array.from({ length: vectors }, (_, number) => firstSum + number);
  /** Mixes the words in `both` into a sum. */
  const mixInto = (sum: number) =>
    code(
      code(get(both), get(primes), multiply),
      code(get(both), constant(17), shiftRight),
      code(xorVector, set(sum)),
    );
  const body = code(
    // The checksum itself counts as zero.
    code(get(at), load(checksumAt), set(kept)),
    code(get(at), get(kept), constant(-0x10000), and, store(checksumAt)),
    code(get(at), set(next), get(at), get(size), add, set(last)),
    code(constantVector(Int32Array.of(prime, prime, prime, prime)), set(primes)),
    ...sums.map((sum, index) => code(constantVector(offsets.subarray(index * 4, index * 4 + 4)), set(sum))),
    loop(
      code(
        ...sums.map((sum, index) =>
          code(get(next), loadVector(index * 16), get(sum), xorVector, set(both), mixInto(sum)),
        ),
        code(get(next), constant(vectors * 16), add, tee(next)),
        code(get(last), isBelow, repeatIf),
      ),
    ),
    // Two rounds with zeros complete each sum.
    ...[...sums, ...sums].map((sum) => code(get(sum), set(both), mixInto(sum))),
    get(firstSum),
    ...sums.slice(1).map((sum) => code(get(sum), xorVector)),
    set(both),
    code(get(at), get(kept), store(checksumAt)),
    get(block),
    ...[0, 1, 2, 3].map((lane) => code(get(both), extractLane(lane), xor)),
    code(constant(65535), remainder, constant(1), add),
  );
  const locals = [2, 3, i32, 2 + vectors, v128];
  return Uint8Array.from(
    code(
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 3, i32, i32, i32, 1, i32]), // one type: that of the function
      section(2, [1, ...text(''), ...text('memory'), 0x02, 0x00, 1]),
      section(3, [1, 0]), // one function, of that type
      section(7, [1, ...text('sum'), 0x00, 0]),
      section(10, [1, ...sized([...locals, ...body, ...end])]),
    ),
  );
}

function section(number: number, content: number[]): number[] {
  return [number, ...sized(content)];
}

function sized(content: number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function text(value: string): number[] {
  return sized([...Buffer.from(value)]);
}

/** LEB128: seven bits a byte, the lowest first; the highest bit of each byte but the last is set. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128 of a number that may be negative. */
function signed(value: number): number[] {
  const isLast = value >= -0x40 && value < 0x40;
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
