// What is said of chains that are broken, and of copies that are missing.
import test from 'ava';
import type { ChainStatus } from '../../src/control/backup-chains.ts';
import { chainFindings } from '../../src/health/chain-health.ts';
import { identityFindings } from '../../src/health/identity-health.ts';

function copy(id: number, more: Partial<ChainStatus> = {}): ChainStatus {
  const copied = { id, cluster: 'main', label: `copy ${id}`, stoppedAt: new Date(), parent: null };
  return { ...copied, chain: [id], brokenLink: null, problem: null, ...more };
}

const broken = (id: number, more: Partial<ChainStatus> = {}) =>
  copy(id, { parent: id - 1, brokenLink: 3, problem: 'has expired', ...more });

test('chains that are whole are not spoken of', (t) => {
  t.deepEqual(chainFindings([copy(1), copy(2, { parent: 1, chain: [1, 2] })], []), []);
});

test('a link that breaks a chain is named, with every copy that cannot be restored', (t) => {
  t.deepEqual(chainFindings([broken(4), broken(5), copy(6)], []), [
    {
      severity: 'critical',
      object: 'cluster main',
      message: 'backups 4, 5 cannot be restored: their chain is broken at backup 3, which has expired',
    },
  ]);
  const [{ message } = { message: '' }] = chainFindings([broken(4), copy(6)], []);
  t.is(message, 'backup 4 cannot be restored: its chain is broken at backup 3, which has expired');
});

test('where the newest copy is lost, a full one is asked for', (t) => {
  const there = copy(9, { cluster: 'main' });
  const lost = [copy(3, { cluster: 'shop' }), broken(4, { cluster: 'shop' })];
  t.deepEqual(
    chainFindings([...lost, there], []).map(({ message }) => message),
    [
      'backup 4 cannot be restored: its chain is broken at backup 3, which has expired: take a full copy with "holdfast start --method copy --cluster shop"',
    ],
  );
});

test('a missing copy tells which copies are lost with it, and has one finding', (t) => {
  const missing = (lost: number[]) => [{ id: 3, cluster: 'main', ago: 60, lost }];
  const gone = { problem: 'is not in the repository' };
  t.deepEqual(chainFindings([broken(4, gone), broken(5, gone)], missing([4, 5])), []);
  const said = (lost: number[]) =>
    identityFindings(
      { identity: undefined, repositories: [], missing: missing(lost) },
      (age) => `${age} s`,
    )[0]?.message;
  t.is(
    said([4, 5]),
    `backup 3 is complete and has not expired, but is not in the repository (missed for 60 s), and without it the incremental copies 4, 5 cannot be restored; if it is gone for good, run "SELECT forget_copy(3, 'why')" as an operator`,
  );
  t.regex(String(said([4])), /, and without it the incremental copy 4 cannot be restored;/);
  t.regex(String(said([])), /\(missed for 60 s\); if it is gone/);
});
