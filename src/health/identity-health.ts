/** Health of the identity of the control database and of its repositories. */
import type { Finding, HealthInput } from './findings.ts';

/** Critical findings only; none if all is well. `age`: formats seconds. */
export function identityFindings(
  { identity, repositories, missing }: Pick<HealthInput, 'identity' | 'repositories' | 'missing'>,
  age: (seconds: number) => string,
): Finding[] {
  const findings: Finding[] = [];
  if (identity?.confirmed === false)
    findings.push({
      severity: 'critical',
      object: 'control database',
      message: `it rests: it is a restored copy or a promoted standby of the one in charge (origin ${identity.origin}, not ${identity.confirmedOrigin}); run "holdfast adopt" if it is in charge from now on`,
    });
  for (const { name, problem } of repositories)
    if (problem !== null)
      findings.push({
        severity: 'critical',
        object: `cluster ${name}`,
        message: `nothing is written to its repository: ${problem}`,
      });
  for (const { id, cluster, ago, lost } of missing)
    findings.push({
      severity: 'critical',
      object: `cluster ${cluster}`,
      message: `backup ${id} is complete and has not expired, but is not in the repository (missed for ${age(ago)})${lostWith(lost)}; if it is gone for good, run "SELECT forget_copy(${id}, 'why')" as an operator`,
    });
  return findings;
}

/** The incremental copies that cannot be restored either. */
function lostWith(lost: readonly number[]): string {
  if (lost.length === 0) return '';
  const copies = lost.length === 1 ? `incremental copy ${lost[0]}` : `incremental copies ${lost.join(', ')}`;
  return `, and without it the ${copies} cannot be restored`;
}
