import { relative } from 'node:path';

/** What AVA writes before the titles of the tests of a file, which is given relative to the checkout. */
export function titlePrefix(file: string): string {
  const path = relative('test', file).replace(/\.test\.ts$/, '');
  return `${path.replaceAll('/', ' › ')} › `;
}
