/** Durations in a readable form: `90s`, `30 min`, `12h`, `1d 6h`, and 0. */

const millisecondsIn: Record<string, number> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const wordsFor: Record<string, string[]> = {
  ms: ['ms', 'millisecond', 'milliseconds'],
  s: ['s', 'sec', 'secs', 'second', 'seconds'],
  min: ['min', 'mins', 'm', 'minute', 'minutes'],
  h: ['h', 'hour', 'hours'],
  d: ['d', 'day', 'days'],
  w: ['w', 'week', 'weeks'],
};

/** Examples for help and errors. */
export const durationExamples = '"90s", "30 min", "12h", "1d" or 0';

/**
 * The duration in milliseconds.
 * @throws RangeError where the text is wrong; the message is a predicate, such as "has no unit"
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  if (/^\d+(\.\d+)?$/.test(trimmed)) throw new RangeError('has no unit');
  if (!/^(\d+(\.\d+)?\s*[a-z]+\s*)+$/i.test(trimmed)) throw new RangeError('is not a duration');

  let sum = 0;
  for (const [, amount, word = ''] of trimmed.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/gi)) {
    const unit = Object.keys(wordsFor).find((candidate) => wordsFor[candidate]?.includes(word.toLowerCase()));
    if (unit === undefined) throw new RangeError(`has the unknown unit "${word}"`);
    sum += Number(amount) * Number(millisecondsIn[unit]);
  }
  const milliseconds = Math.round(sum);
  if (!Number.isSafeInteger(milliseconds)) throw new RangeError('is too long');
  return milliseconds;
}
