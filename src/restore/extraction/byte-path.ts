/** Paths of files whose names need not be text: strings of one character a byte, as tar members' names are. */

export function bytePath(root: string, name: string): Buffer {
  return Buffer.from(name === '' || name === '.' ? root : `${root}/${name}`, 'latin1');
}

/** A path that is text, as one. */
export function asBytes(path: string): string {
  return Buffer.from(path).toString('latin1');
}
