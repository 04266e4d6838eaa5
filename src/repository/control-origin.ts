/** The origin of a control database, as control_origin() says it: system identifier, OID of the database, timeline. */

/** Releases before wrote no OID: of theirs, the rest has to do. */
export function isSameOrigin(a: string | null | undefined, b: string | null | undefined): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return a === b;
  const [of, to] = [a.split('/'), b.split('/')];
  if (of.length === to.length) return a === b;
  return of[0] === to[0] && of.at(-1) === to.at(-1);
}
