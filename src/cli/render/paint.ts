/** Colours, for a terminal that wants them. */
import { styleText } from 'node:util';

export type TextStyle = 'bold' | 'dim' | 'red' | 'yellow' | 'green';

const wanted = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';

export function paint(text: string, style: TextStyle | undefined): string {
  return wanted && style !== undefined ? styleText(style, text) : text;
}
