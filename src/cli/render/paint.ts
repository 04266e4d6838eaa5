/**
 * Colours of the output. Colours are used on a terminal only, unless `NO_COLOR` is set or `TERM` is `dumb`.
 */
import { styleText } from 'node:util';

/** The styles in use. */
export type TextStyle = 'bold' | 'dim' | 'red' | 'yellow' | 'green';

const wanted = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';

/** The text in a style, or unchanged where colours are off or `style` is undefined. */
export function paint(text: string, style: TextStyle | undefined): string {
  return wanted && style !== undefined ? styleText(style, text) : text;
}
