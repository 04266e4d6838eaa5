/** Health of the chains of incremental copies, by pure functions. */
import type { ChainStatus } from '../control/backup-chains.ts';
import type { MissingBackup } from '../control/control-identity.ts';
import { takeFullCopy } from './advice.ts';
import type { Finding } from './findings.ts';

/**
 * A finding for each link that breaks chains, with the copies that cannot be restored. A missing backup has a finding
 * of its own, which names those copies.
 */
export function chainFindings(chains: readonly ChainStatus[], missing: readonly MissingBackup[]): Finding[] {
  const broken = chains.filter(
    ({ brokenLink }) => brokenLink !== null && !missing.some(({ id }) => id === brokenLink),
  );
  const newest = new Map(chains.map((copy) => [copy.cluster, copy]));
  return [...Map.groupBy(broken, breakOf).values()].flatMap((copies) => {
    const [first] = copies;
    if (first === undefined) return [];
    const { cluster, brokenLink, problem } = first;
    const ids = copies.map(({ id }) => id).join(', ');
    const which = copies.length === 1 ? `backup ${ids}` : `backups ${ids}`;
    const whose = copies.length === 1 ? 'its' : 'their';
    const advice = copies.some((copy) => copy === newest.get(cluster)) ? `: ${takeFullCopy(cluster)}` : '';
    const message = `${which} cannot be restored: ${whose} chain is broken at backup ${brokenLink}, which ${problem}${advice}`;
    return [{ severity: 'critical' as const, object: `cluster ${cluster}`, message }];
  });
}

function breakOf({ cluster, brokenLink, problem }: ChainStatus): string {
  return JSON.stringify([cluster, brokenLink, problem]);
}
