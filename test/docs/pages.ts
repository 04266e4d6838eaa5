// The pages of the documentation, and the blocks in them that are marked with a comment:
//
//   <!-- runs as requester -->
//
//   ```sql
//   …
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);

export interface Block {
  mark: string;
  language: string;
  text: string;
}

/** Paths from the root of the checkout. */
export const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function pathOf(page: string): string {
  return fileURLToPath(new URL(page, root));
}

export function read(page: string): string {
  return readFileSync(pathOf(page), 'utf8');
}

/** The marked blocks of a page, also where they are parts of a list, in order. */
export function blocks(page: string): Block[] {
  const pattern = /<!-- ([^\n]+?) -->\s*\n( *)```(\w+)\n([\s\S]*?)\n\2```/g;
  return [...read(page).matchAll(pattern)].map(([, mark = '', indent = '', language = '', text = '']) => ({
    mark,
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** Statements that end with a semicolon at the end of a line, or before a comment. */
export function statements(sql: string): string[] {
  return sql
    .split(/;[ \t]*(?:--[^\n]*)?(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}
