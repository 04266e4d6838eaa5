/** Colours, for a terminal that wants them. */
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green';

const wanted = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';

export function paint(text: string, style: Style | undefined): string {
  return wanted && style !== undefined ? styleText(style, text) : text;
}
