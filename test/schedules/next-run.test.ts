import test from 'ava';
import { latestRun, nextRun } from '../../src/schedules/next-run.ts';

const iso = (moment: number | undefined) =>
  moment === undefined ? undefined : new Date(moment).toISOString().replace('.000Z', 'Z');

/** The next runs after that moment. */
function runs(expression: string, zone: string, after: string, count: number): (string | undefined)[] {
  const found: (string | undefined)[] = [];
  let moment: number | undefined = Date.parse(after);
  while (found.length < count && moment !== undefined) {
    moment = nextRun(expression, zone, moment);
    found.push(iso(moment));
  }
  return found;
}

test('the next run is after the moment asked about, never at it', (t) => {
  t.deepEqual(runs('0 2 * * *', 'UTC', '2026-03-14T01:59:59.999Z', 2), [
    '2026-03-14T02:00:00Z',
    '2026-03-15T02:00:00Z',
  ]);
  t.deepEqual(runs('* * * * * *', 'UTC', '2026-03-14T01:59:59.999Z', 2), [
    '2026-03-14T02:00:00Z',
    '2026-03-14T02:00:01Z',
  ]);
});

test('clocks put forward: what they skip is due at that moment, once', (t) => {
  // Berlin, 29 March 2026: 02:00 is 03:00.
  t.deepEqual(runs('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 3), [
    '2026-03-28T01:30:00Z',
    '2026-03-29T01:00:00Z',
    '2026-03-30T00:30:00Z',
  ]);
  t.deepEqual(runs('*/10 2 * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', 2), [
    '2026-03-29T01:00:00Z',
    '2026-03-30T00:00:00Z',
  ]);
  t.deepEqual(runs('0 3 * * *', 'Europe/Berlin', '2026-03-29T00:00:00Z', 2), [
    '2026-03-29T01:00:00Z',
    '2026-03-30T01:00:00Z',
  ]);
});

test('clocks put forward: what is due every hour goes on hourly', (t) => {
  t.deepEqual(runs('30 * * * *', 'Europe/Berlin', '2026-03-28T23:45:00Z', 3), [
    '2026-03-29T00:30:00Z',
    '2026-03-29T01:30:00Z',
    '2026-03-29T02:30:00Z',
  ]);
});

test('clocks put back: what they show twice is due the first time', (t) => {
  // Berlin, 25 October 2026: 03:00 is 02:00.
  t.deepEqual(runs('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2), [
    '2026-10-25T00:30:00Z',
    '2026-10-26T01:30:00Z',
  ]);
  t.deepEqual(runs('0 3 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 1), ['2026-10-25T02:00:00Z']);
});

test('clocks put back: what is due every hour goes on hourly', (t) => {
  t.deepEqual(runs('30 * * * *', 'Europe/Berlin', '2026-10-24T23:45:00Z', 3), [
    '2026-10-25T00:30:00Z',
    '2026-10-25T01:30:00Z',
    '2026-10-25T02:30:00Z',
  ]);
});

test('zones that change at midnight, by half an hour, or skip a day', (t) => {
  // Santiago, 6 September 2026: 00:00 is 01:00. 5 April 2026: 00:00 is 23:00 of the day before.
  t.deepEqual(runs('30 0 * * *', 'America/Santiago', '2026-09-05T12:00:00Z', 2), [
    '2026-09-06T04:00:00Z',
    '2026-09-07T03:30:00Z',
  ]);
  t.deepEqual(runs('30 23 * * *', 'America/Santiago', '2026-04-04T12:00:00Z', 2), [
    '2026-04-05T02:30:00Z',
    '2026-04-06T03:30:00Z',
  ]);
  t.deepEqual(runs('0 0 5 4 *', 'America/Santiago', '2026-04-04T12:00:00Z', 1), ['2026-04-05T04:00:00Z']);
  // Lord Howe, 4 October 2026: 02:00 is 02:30.
  t.deepEqual(runs('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00:00Z', 1), ['2026-10-03T15:30:00Z']);
  // Samoa had no 30 December 2011.
  t.deepEqual(runs('0 12 * * *', 'Pacific/Apia', '2011-12-29T00:00:00Z', 3), [
    '2011-12-29T22:00:00Z',
    '2011-12-30T10:00:00Z',
    '2011-12-30T22:00:00Z',
  ]);
});

test('rare days are found, and what never comes is never due', (t) => {
  t.deepEqual(runs('0 0 29 2 *', 'UTC', '2096-03-01T00:00:00Z', 1), ['2104-02-29T00:00:00Z']);
  t.deepEqual(runs('0 0 29 2 mon', 'UTC', '2026-01-01T00:00:00Z', 1), ['2044-02-29T00:00:00Z']);
  t.deepEqual(runs('0 0 L * fri', 'UTC', '2026-01-01T00:00:00Z', 1), ['2026-07-31T00:00:00Z']);
  t.is(nextRun('0 0 1-7 * 1#2', 'UTC', 0), undefined);
});

test('an unknown zone and a bad expression are errors', (t) => {
  t.throws(() => nextRun('0 2 * * *', 'Mars/Olympus', 0), { instanceOf: RangeError });
  t.throws(() => nextRun('61 * * * *', 'UTC', 0));
});

test('the latest run is found from afar, however often there was one', (t) => {
  const now = Date.parse('2026-11-21T12:34:56.789Z');
  const from = Date.parse('2026-11-18T02:00:00Z');
  const latest = (expression: string, first = from) => iso(latestRun(expression, 'UTC', first, now));
  t.is(latest('* * * * * *'), '2026-11-21T12:34:56Z');
  t.is(latest('*/5 * * * *'), '2026-11-21T12:30:00Z');
  t.is(latest('0 2 * * *'), '2026-11-21T02:00:00Z');
  t.is(latest('0 2 18 * *'), '2026-11-18T02:00:00Z');
  t.is(latest('0 2 1 1 *', Date.parse('2020-01-01T02:00:00Z')), '2026-01-01T02:00:00Z');
});
