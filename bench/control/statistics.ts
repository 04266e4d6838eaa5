/** Medians and percentiles, and a table of them. */

export interface Sample {
  name: string;
  values: number[];
}

export function percentile(values: number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

export const median = (values: number[]): number => percentile(values, 0.5);

export interface Bar {
  what: string;
  figure: string;
  bar: string;
  met: boolean;
}

export function printSamples(title: string, samples: Sample[]): void {
  printTable(
    ['', 'n', 'median', 'p99'],
    samples.map(({ name, values }) => [
      name,
      String(values.length),
      milliseconds(median(values)),
      milliseconds(percentile(values, 0.99)),
    ]),
    title,
  );
}

export function printBars(bars: Bar[]): void {
  printTable(
    ['', 'figure', 'bar', ''],
    bars.map(({ what, figure, bar, met }) => [what, figure, bar, met ? 'met' : 'MISSED']),
    'Against the bars',
  );
}

export function milliseconds(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function printTable(head: string[], rows: string[][], title: string): void {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  process.stdout.write(`\n${title}\n${[head, ...rows].map(line).join('\n')}\n`);
}
