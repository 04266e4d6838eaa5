import test from 'ava';
import { whyNotSummarized } from '../../../src/backup/incremental/summarized-range.ts';

const range = (startLsn: string, endLsn: string) => ({ startLsn, endLsn });
const why = (from: string, to: string, ...summaries: [string, string][]) =>
  whyNotSummarized(
    summaries.map(([start, end]) => range(start, end)),
    { timeline: 1, from, to },
  );

test('summaries that follow each other from the one start to the other are enough', (t) => {
  t.is(why('0/100', '0/400', ['0/100', '0/200'], ['0/200', '0/400']), undefined);
  t.is(why('0/100', '0/400', ['0/50', '0/100'], ['0/100', '0/200'], ['0/200', '0/500']), undefined);
  t.is(why('1/0', '2/0', ['0/FFFFFF00', '1/0'], ['1/0', '2/0']), undefined);
  t.is(why('0/100', '0/400', ['0/100', '0/00000400']), undefined);
});

test('summaries may overlap', (t) => {
  t.is(why('0/100', '0/400', ['0/100', '0/300'], ['0/150', '0/200'], ['0/200', '0/400']), undefined);
});

test('a gap is named by the LSN at which it begins', (t) => {
  t.regex(
    String(why('0/100', '0/400', ['0/100', '0/200'], ['0/201', '0/400'])),
    /end at 0\/200, before 0\/400/,
  );
  t.regex(String(why('0/100', '0/400', ['0/100', '0/300'])), /end at 0\/300, before 0\/400/);
});

test('summaries that do not reach back are not enough', (t) => {
  t.regex(String(why('0/100', '0/400', ['0/101', '0/400'])), /no WAL summaries from 0\/100 on any more/);
  t.regex(String(why('0/100', '0/400', ['0/50', '0/100'])), /no WAL summaries from 0\/100 on any more/);
  t.regex(String(why('0/100', '0/400')), /has no WAL summaries from 0\/100 on$/);
});

test('a server that went back in time is noticed by its position, or by where its summaries end', (t) => {
  t.regex(String(why('0/500', '0/400', ['0/300', '0/400'])), /its WAL has gone back/);
  t.regex(String(why('0/100', '0/400', ['0/80', '0/200'], ['0/200', '0/400'])), /are of another history/);
});
