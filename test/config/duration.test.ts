import test from 'ava';
import { parseDuration } from '../../src/config/duration.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

for (const [text, milliseconds] of [
  ['0', 0],
  ['250ms', 250],
  ['90s', 90_000],
  ['30 min', 30 * minute],
  ['5 m', 5 * minute],
  ['12h', 12 * hour],
  ['12 Hours', 12 * hour],
  ['1d', day],
  ['1d 6h', day + 6 * hour],
  ['1.5 h', 90 * minute],
  [' 2 weeks ', 14 * day],
] as const) {
  test(`"${text}" is ${milliseconds} ms`, (t) => {
    t.is(parseDuration(text), milliseconds);
  });
}

for (const [text, reason] of [
  ['12', 'has no unit'],
  ['', 'is not a duration'],
  ['soon', 'is not a duration'],
  ['-5s', 'is not a duration'],
  ['1h!', 'is not a duration'],
  ['3 parsecs', 'has the unknown unit "parsecs"'],
  ['99999999999999 weeks', 'is too long'],
] as const) {
  test(`"${text}" is refused: it ${reason}`, (t) => {
    t.throws(() => parseDuration(text), { instanceOf: RangeError, message: reason });
  });
}
