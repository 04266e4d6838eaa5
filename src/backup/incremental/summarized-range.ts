/**
 * Decides whether WAL summaries cover everything between the start of a parent and the start of a backup. Pure.
 */
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';
import type { SummarizedWal, SummaryRange } from '../../server/wal-summaries.ts';

/**
 * Returns why the summaries do not cover the range; undefined: they do. `summaries`: on the timeline of the range, in
 * their order. The summarizer ends a summary where a checkpoint begins to write, and a backup starts there: summaries
 * that know of no such place at the beginning of the range were made of another history of the server.
 */
export function whyNotSummarized(
  summaries: readonly SummaryRange[],
  { from, to }: SummarizedWal,
): string | undefined {
  const [begin, end] = [parseLsn(from), parseLsn(to)];
  if (begin > end) return `the server is at ${to} and was at ${from}: its WAL has gone back`;
  const ranges = summaries.map(({ startLsn, endLsn }) => ({
    start: parseLsn(startLsn),
    end: parseLsn(endLsn),
  }));
  if (ranges.length === 0) return `the server has no WAL summaries from ${from} on`;
  let covered = begin;
  for (const range of ranges) {
    if (range.start > covered) break;
    if (range.end > covered) covered = range.end;
  }
  if (covered < end)
    return covered === begin
      ? `the server has no WAL summaries from ${from} on any more`
      : `the server's WAL summaries end at ${formatLsn(covered)}, before ${to}`;
  if (!ranges.some((range) => range.start === begin || range.end === begin))
    return `no WAL summary of the server begins or ends at ${from}, where that copy began: the summaries are of another history`;
  return undefined;
}
