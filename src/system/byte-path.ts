/**
 * Paths as PostgreSQL and tar use them: byte strings, stored in a string with one character per byte (latin1). A file
 * name need not be valid UTF-8.
 */

/** Converts a path from text. */
export function toBytePath(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** Returns the path of `name` below `root`, for the functions of node:fs. */
export function bytePathBelow(root: string, name: string): Buffer {
  return Buffer.from(name === '' || name === '.' ? root : `${root}/${name}`, 'latin1');
}

/** Converts a path for the functions of node:fs. */
export function toSystem(path: string): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, 'latin1');
}

/** Converts a path to text, for messages and JSON. */
export function toText(path: string): string {
  return isAscii(path) ? path : Buffer.from(path, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}
