/**
 * Log sequence numbers: byte positions in the WAL, written as two hexadecimal halves (`0/3000028`). From PostgreSQL 19
 * on, a server writes eight digits after the slash (`0/03000028`), so that the text of one LSN depends on the server
 * that wrote the text: two texts are compared with isSameLsn().
 */

/** @throws RangeError where `text` is not an LSN */
export function parseLsn(text: string): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is not an LSN`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** The text of an LSN in one form, whichever server wrote it; a text that is not an LSN as it is. */
export function normalLsn(text: string): string {
  try {
    return formatLsn(parseLsn(text));
  } catch {
    return text;
  }
}

/** Whether two texts are the same LSN. */
export function isSameLsn(one: string, other: string): boolean {
  return one === other || normalLsn(one) === normalLsn(other);
}

/** Formats an LSN as PostgreSQL up to 18 does, without leading zeros; all versions read this form. */
export function formatLsn(lsn: bigint): string {
  const hexadecimal = (half: bigint) => half.toString(16).toUpperCase();
  return `${hexadecimal(lsn >> 32n)}/${hexadecimal(lsn & 0xffffffffn)}`;
}
