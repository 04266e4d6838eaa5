/** Tables of text: columns as wide as what is in them, until the terminal's width makes some give way. */
import stringWidth from 'string-width';
import { paint, type TextStyle } from './paint.ts';

export interface TableColumn<T> {
  title: string;
  value: (row: T) => string;
  style?: (row: T) => TextStyle | undefined;
  align?: 'right';
  /** May be shortened where the line would be too long. */
  flexible?: boolean;
}

const gap = '  ';
const narrowest = 8;

/** The title line and one line per row; no line is wider than `width`, where the flexible columns can help it. */
export function table<T>(columns: readonly TableColumn<T>[], rows: readonly T[], width = Infinity): string[] {
  const texts = rows.map((row) => columns.map((column) => column.value(row)));
  // A column that is empty all the way down says nothing.
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

/** Takes what is missing from the widest flexible column, again and again. */
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
