/** Text tables. A column is as wide as its content; flexible columns are shortened to fit the terminal. */
import { createRequire } from 'node:module';
import type stringWidth from 'string-width';
import { paint, type TextStyle } from './paint.ts';

/** A column of a table. */
export interface TableColumn<T> {
  title: string;
  value: (row: T) => string;
  style?: (row: T) => TextStyle | undefined;
  align?: 'right';
  /** Whether values may be shortened if the line would be too long. */
  flexible?: boolean;
}

const gap = '  ';
/** The smallest width of a shortened column, in characters. */
const narrowest = 8;

/**
 * The title line and one line per row. Lines fit into `width` if shortening the flexible columns is enough.
 */
export function table<T>(columns: readonly TableColumn<T>[], rows: readonly T[], width = Infinity): string[] {
  const texts = rows.map((row) => columns.map((column) => column.value(row)));
  // A column without any value is not shown.
  const shown = columns.map((_, at) => at).filter((at) => texts.some((line) => line[at] !== ''));
  const widths = fit(
    shown.map((at) => ({
      width: Math.max(
        ...[columns[at]?.title ?? '', ...texts.map((line) => line[at] ?? '')].map((text) => widthOf(text)),
      ),
      flexible: columns[at]?.flexible === true,
    })),
    width,
  );
  const line = (cells: readonly string[], style: (at: number) => TextStyle | undefined) =>
    shown
      .map((at, place) => paint(padded(cells[at] ?? '', widths[place] ?? 0, columns[at]?.align), style(at)))
      .join(gap)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      () => 'dim',
    ),
    ...rows.map((row, number) => line(texts[number] ?? [], (at) => columns[at]?.style?.(row))),
  ];
}

const load = createRequire(import.meta.url);

/**
 * The number of terminal columns that a text takes. ASCII does without the library, which builds its patterns for emoji
 * when it is loaded: 50 ms, a quarter of the time of most commands.
 */
function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  const library = load('string-width') as { default: typeof stringWidth };
  return library.default(text);
}

/** The widths of the columns. The widest flexible column shrinks by one until the line fits. */
function fit(columns: readonly { width: number; flexible: boolean }[], available: number): number[] {
  const widths = columns.map(({ width }) => width);
  let excess = widths.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1) - available;
  while (excess > 0) {
    const candidates = widths.map((width, at) =>
      columns[at]?.flexible === true && width > narrowest ? width : 0,
    );
    const widest = candidates.indexOf(Math.max(...candidates));
    if (!candidates[widest]) break;
    widths[widest] = Number(widths[widest]) - 1;
    excess -= 1;
  }
  return widths;
}

function padded(text: string, width: number, align: 'right' | undefined): string {
  const fitting = truncate(text, width);
  const padding = ' '.repeat(Math.max(0, width - widthOf(fitting)));
  return align === 'right' ? padding + fitting : fitting + padding;
}

/** The text, cut to `width` columns with an ellipsis at the end. */
export function truncate(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += widthOf(segment);
    if (used > width) break;
    kept += segment;
  }
  return `${kept}…`;
}
