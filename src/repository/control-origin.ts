/** The origin of a control database, as control_origin() says it: system identifier, OIDs, timeline. */

/** Releases before wrote fewer OIDs, or none: of theirs, the rest has to do. */
export function isSameOrigin(a: string | null | undefined, b: string | null | undefined): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return a === b;
  const [of, to] = [a.split('/'), b.split('/')];
  const both = Math.min(of.length, to.length) - 1;
  return of.at(-1) === to.at(-1) && of.slice(0, both).every((part, at) => part === to[at]);
}
