import test from 'ava';
import type { NewestDrill } from '../../src/control/drill-records.ts';
import type { Finding } from '../../src/health/findings.ts';
import { findings as allFindings, hour } from '../support/observation.ts';

const proven: NewestDrill = {
  id: 4,
  cluster: 'main',
  requestId: 7,
  backup: '20260301T020000Z-7',
  ok: true,
  error: null,
  errorCode: null,
  ago: 3 * hour,
  provenAgo: 3 * hour,
};
const failed = { ...proven, ok: false, error: 'base.tar.zst: bad', errorCode: 'backup_damaged' };

/** What is said of drills where there is nothing else to say. */
function findings(...drills: NewestDrill[]): Finding[] {
  const found = allFindings({ workers: [], drills });
  return found.filter(({ message }) => message.includes('drill'));
}

test('of a cluster that was never drilled, nothing is said', (t) => {
  t.deepEqual(findings(), []);
});

test('a drill that succeeded says what is proven, and when', (t) => {
  t.deepEqual(findings(proven), [
    {
      severity: 'ok',
      object: 'cluster main',
      message: '20260301T020000Z-7 was proven restorable 10800 s ago (drill 4)',
    },
  ]);
});

test('a drill that failed is critical, whatever succeeded before', (t) => {
  const [first] = findings({ ...failed, provenAgo: 50 * hour });
  t.is(first?.severity, 'critical');
  t.is(
    first?.message,
    'drill 4 of 20260301T020000Z-7 failed 10800 s ago, and the last that succeeded was 180000 s ago: base.tar.zst: bad',
  );
  const [never] = findings({ ...failed, backup: null, provenAgo: null });
  t.is(never?.message, 'drill 4 failed 10800 s ago, and none has ever succeeded: base.tar.zst: bad');
});

test('drills of other clusters are theirs', (t) => {
  t.deepEqual(findings({ ...failed, cluster: 'elsewhere' }), []);
});
