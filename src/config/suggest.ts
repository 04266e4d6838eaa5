import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant: nearly the same, or what this is the beginning of. */
export function suggestion(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(given, known);
  if (distance(given, nearest) <= Math.max(1, Math.floor(given.length / 3))) return nearest;
  return given.length < 3 ? undefined : known.find((name) => name.startsWith(given));
}

export function didYouMean(given: string, known: readonly string[]): string {
  const nearest = suggestion(given, known);
  return nearest === undefined ? `known are ${known.join(', ')}` : `did you mean "${nearest}"?`;
}
