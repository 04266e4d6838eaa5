import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant, if there is one close enough. */
export function suggestion(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const nearest = closest(given, known);
  return distance(given, nearest) <= Math.max(1, Math.floor(given.length / 4)) ? nearest : undefined;
}

export function didYouMean(given: string, known: readonly string[]): string {
  const nearest = suggestion(given, known);
  return nearest === undefined ? `known are ${known.join(', ')}` : `did you mean "${nearest}"?`;
}
