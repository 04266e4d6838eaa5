/** Text tables. A column is as wide as its content; flexible columns are shortened to fit the terminal. */
import stringWidth from 'string-width';
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
        ...[columns[at]?.title ?? '', ...texts.map((line) => line[at] ?? '')].map((text) =>
          stringWidth(text),
        ),
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
  const padding = ' '.repeat(Math.max(0, width - stringWidth(fitting)));
  return align === 'right' ? padding + fitting : fitting + padding;
}

const graphemes = new Intl.Segmenter();

/** The text, cut to `width` columns with an ellipsis at the end. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const { segment } of graphemes.segment(text)) {
    used += stringWidth(segment);
    if (used > width) break;
    kept += segment;
  }
  return `${kept}…`;
}
