import test from 'ava';
import { failedChecks } from '../../src/drill/failed-checks.ts';

const sound = { check: 'amcheck', database: 'shop', ok: true, detail: '', problems: [], seconds: 1 };

test('no failure where every check holds or could not be done', (t) => {
  t.is(failedChecks({ checks: [sound, { ...sound, check: 'checksums', skipped: true }] }), undefined);
});

test('the first problem is named, the others are counted', (t) => {
  const bad = { ...sound, ok: false, problems: ['table a: bad', 'table b: bad'] };
  const error = failedChecks({ checks: [sound, bad, { ...bad, check: 'checksums' }] });
  t.is(error?.code, 'recovered_data_damaged');
  t.is(
    error?.message,
    'the backup was recovered, and a check has failed: amcheck in database shop: table a: bad, and 3 problems more',
  );
});

test('where only assertions fail, the backup may well be sound', (t) => {
  const wrong = {
    ...sound,
    check: 'assertion: x',
    ok: false,
    problems: ['it returned false instead of true'],
  };
  const error = failedChecks({ checks: [sound, wrong] });
  t.is(error?.code, 'assertion_failed');
  t.true(error?.message.endsWith('assertion: x in database shop: it returned false instead of true'));
  t.is(
    failedChecks({ checks: [{ ...sound, ok: false, problems: ['x'] }, wrong] })?.code,
    'recovered_data_damaged',
  );
});
