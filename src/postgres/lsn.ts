/** Log sequence numbers: byte positions in the WAL, written as two hexadecimal halves (`0/3000028`). */

/** @throws RangeError where `text` is not an LSN */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not an LSN`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Formats an LSN as PostgreSQL does, without leading zeros. */
export function formatLsn(lsn: bigint): string {
  const hexadecimal = (half: bigint) => half.toString(16).toUpperCase();
  return `${hexadecimal(lsn >> 32n)}/${hexadecimal(lsn & 0xffffffffn)}`;
}
