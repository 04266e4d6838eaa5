/** Compares origins of control databases, as returned by control_origin(): system identifier, OIDs, timeline. */

/**
 * Whether two origins are of the same control database. Earlier releases wrote fewer OIDs or none; then only the OIDs
 * that both origins have are compared.
 */
export function isSameOrigin(a: string | null | undefined, b: string | null | undefined): boolean {
  if (typeof a !== 'string' || typeof b !== 'string') return a === b;
  const [of, to] = [a.split('/'), b.split('/')];
  const both = Math.min(of.length, to.length) - 1;
  return of.at(-1) === to.at(-1) && of.slice(0, both).every((part, at) => part === to[at]);
}
