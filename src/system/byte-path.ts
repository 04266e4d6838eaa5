/**
 * Paths as PostgreSQL and tar see them: bytes, in a string of one character a byte. Not every file's name is text.
 */

/** A path that is text, as one. */
export function toBytePath(path: string): string {
  return Buffer.from(path, 'utf8').toString('latin1');
}

/** The file of that name below `root`, for the functions of node:fs. */
export function bytePathBelow(root: string, name: string): Buffer {
  return Buffer.from(name === '' || name === '.' ? root : `${root}/${name}`, 'latin1');
}

/** For the functions of node:fs. */
export function toSystem(path: string): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, 'latin1');
}

/** For people, and JSON. */
export function toText(path: string): string {
  return isAscii(path) ? path : Buffer.from(path, 'latin1').toString('utf8');
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}
