// Compares what is too big for t.deepEqual, which takes four seconds of a processor for each megabyte.
import type { ExecutionContext } from 'ava';

/** Says where they differ first. */
export function sameBytes(
  t: ExecutionContext,
  actual: Buffer,
  expected: Buffer,
  message = 'the same bytes',
): void {
  const differ = !actual.equals(expected);
  const at = differ ? actual.findIndex((byte, index) => byte !== expected[index]) : -1;
  const where = `${actual.length} bytes instead of ${expected.length}, which differ at ${at}`;
  t.false(differ, `${message}: ${where}`);
}
