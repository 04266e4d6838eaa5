/** Suggestions for misspelt names. */
import { createRequire } from 'node:module';
import type * as Levenshtein from 'fastest-levenshtein';

/** Most commands have nothing to suggest, and need not load it. */
const loaded = (): typeof Levenshtein =>
  createRequire(import.meta.url)('fastest-levenshtein') as typeof Levenshtein;

/**
 * The known name that was probably meant: a nearly equal name, or a name that begins with `given`. undefined
 * if there is none.
 */
export function suggestion(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const { closest, distance } = loaded();
  const nearest = closest(given, known);
  if (distance(given, nearest) <= Math.max(1, Math.floor(given.length / 3))) return nearest;
  return given.length < 3 ? undefined : known.find((name) => name.startsWith(given));
}

/** A hint: the suggestion, or all known names. */
export function didYouMean(given: string, known: readonly string[]): string {
  const nearest = suggestion(given, known);
  return nearest === undefined ? `write one of ${known.join(', ')}` : `write "${nearest}", if you mean that`;
}
