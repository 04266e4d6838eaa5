// node dev/lint-rules.ts: makes the linter's rules about imports below src/ anew, from dev/house/rooms.ts.
import { readFileSync, writeFileSync } from 'node:fs';
import { sourceRules } from './house/rooms.ts';

const file = new URL('../.oxlintrc.json', import.meta.url);
const config = JSON.parse(readFileSync(file, 'utf8')) as { overrides: { files: string[]; rules: object }[] };
const others = config.overrides.filter(({ files }) => files.every((name) => !name.startsWith('src/')));
writeFileSync(file, `${JSON.stringify({ ...config, overrides: [...sourceRules(), ...others] }, null, 2)}\n`);
