/**
 * Computes the runs of consecutive segments on each timeline from the file names of an archive, with the gap before
 * each run and the run on the parent timeline that a run continues. A timeline begins in the segment in which its
 * parent was left. That segment is needed on the new timeline, and the segments before it on the parent. Pure.
 */
import type { Ancestor, Histories } from '../postgres/timeline-history.ts';
import { parseSegmentName, type WalSegment } from '../postgres/wal-segment.ts';

/** Consecutive segments on one timeline. */
export interface ArchivedSegmentRun {
  timeline: number;
  /** The numbers of the first and the last segment. */
  from: bigint;
  to: bigint;
  /** The segments missing right before this run. The range may begin on the parent timeline and end on this one. */
  missing: { from: WalSegment; to: WalSegment } | undefined;
  /** The run on the parent timeline that this run continues. */
  follows: { timeline: number; from: bigint; switchLsn: bigint } | undefined;
  /**
   * Why the archived segment before this run does not lead to this run: the records do not continue. undefined: the
   * chain is not known to be broken.
   */
  broken: string | undefined;
}

interface Span {
  from: bigint;
  to: bigint;
  broken: string | undefined;
}

/**
 * Returns the runs by timeline and position. `histories`: the content of the timeline history files, by timeline.
 * `broken`: why the preceding segment does not lead to a segment, by the name of the segment.
 */
export function archivedRunsOf(
  names: readonly string[],
  histories: Histories,
  segmentSize: number,
  broken: ReadonlyMap<string, string> = new Map(),
): ArchivedSegmentRun[] {
  const spans = spansByTimeline(names, segmentSize, broken);
  const timelines = [...spans.keys()].sort((a, b) => a - b);
  return timelines.flatMap((timeline) => {
    const parent = histories.get(timeline)?.at(-1);
    const [first, ...rest] = spans.get(timeline) ?? [];
    if (first === undefined) return [];
    const beginning =
      parent === undefined
        ? { timeline, ...first, missing: undefined, follows: undefined }
        : firstRun(timeline, first, parent, spans.get(parent.timeline) ?? [], segmentSize);
    let { to } = first;
    const later = rest.map((span): ArchivedSegmentRun => {
      const hole = { from: { timeline, number: to + 1n }, to: { timeline, number: span.from - 1n } };
      ({ to } = span);
      const missing = span.broken === undefined ? hole : undefined;
      return { timeline, ...span, missing, follows: undefined };
    });
    return [beginning, ...later];
  });
}

/**
 * The first run of a timeline that has a parent. The parent's WAL may have been expired or may never have been
 * archived here.
 */
function firstRun(
  timeline: number,
  span: Span,
  parent: Ancestor,
  ofParent: readonly Span[],
  segmentSize: number,
): ArchivedSegmentRun {
  const begin = parent.end / BigInt(segmentSize);
  const before = ofParent.filter(({ from }) => from < begin).at(-1);
  const reached = before !== undefined && before.to >= begin - 1n;
  const whole = span.from <= begin;
  const from =
    before === undefined || reached
      ? { timeline, number: begin }
      : { timeline: parent.timeline, number: before.to + 1n };
  const to = whole ? { timeline: parent.timeline, number: begin - 1n } : { timeline, number: span.from - 1n };
  return {
    timeline,
    ...span,
    missing: from.number <= to.number ? { from, to } : undefined,
    follows:
      reached && whole && span.broken === undefined
        ? { timeline: parent.timeline, from: before.from, switchLsn: parent.end }
        : undefined,
  };
}

function spansByTimeline(
  names: readonly string[],
  segmentSize: number,
  broken: ReadonlyMap<string, string>,
): Map<number, Span[]> {
  const spans = new Map<number, Span[]>();
  for (const name of [...names].sort()) {
    const { timeline, number } = parseSegmentName(name, segmentSize);
    const ofTimeline = spans.get(timeline) ?? [];
    const last = ofTimeline.at(-1);
    const reason = broken.get(name);
    if (last !== undefined && number === last.to + 1n && reason === undefined) last.to = number;
    else ofTimeline.push({ from: number, to: number, broken: reason });
    spans.set(timeline, ofTimeline);
  }
  return spans;
}
