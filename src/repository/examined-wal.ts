/**
 * How far a restore has looked through the WAL that its server is going to replay, in restore_command: what is archived
 * later is looked at as it is fetched.
 */

export const lookedToVariable = 'HOLDFAST_LOOKED_TO';

/** Of a restore that has seen no segment at all. */
export const nothing = 'nothing';

/** `lookedTo`: the variable. A later timeline is another way through the WAL. Names compare as their numbers do. */
export function isLookedThrough(name: string, lookedTo: string): boolean {
  if (!/^[0-9A-F]{24}$/.test(lookedTo)) return false;
  return name.slice(0, 8) <= lookedTo.slice(0, 8) && name.slice(8) <= lookedTo.slice(8);
}
