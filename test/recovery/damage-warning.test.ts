import test from 'ava';
import { damageWarning } from '../../src/recovery/damage-warning.ts';

const page = (block: number) => ({ file: 'base/5/16384', block });
const backup = (id: number, pages: number) => ({
  id,
  startedAt: '2026-03-14T01:00:00.000Z',
  damagedPages: Array.from({ length: pages }, (_, block) => page(block)),
});

test('damaged pages of a backup are named, and so is the backup that has none', (t) => {
  t.is(damageWarning(backup(2, 0), backup(1, 0)), undefined);
  t.is(
    damageWarning(backup(2, 1), backup(1, 0)),
    'pages of 20260314T010000Z-2 were damaged when they were copied: block 0 of "base/5/16384"; type "holdfast restore 1" for 20260314T010000Z-1, which has none',
  );
  t.regex(
    damageWarning(backup(2, 12), undefined) ?? '',
    /block 9 of "base\/5\/16384", and 2 more; no backup without damaged pages leads to this target$/,
  );
});
