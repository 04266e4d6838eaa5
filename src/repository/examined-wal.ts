/**
 * The environment variable in restore_command that says how far a restore has examined the WAL that its server will
 * replay. Segments archived later are examined when they are fetched.
 */

/** The name of the variable. */
export const lookedToVariable = 'HOLDFAST_LOOKED_TO';

/** The value after a restore that has examined no segment. */
export const nothing = 'nothing';

/**
 * Whether a restore has examined the segment `name`. `lookedTo` is the value of the variable. A segment on a later
 * timeline counts as not examined. Comparing segment names as text compares their numbers.
 */
export function isLookedThrough(name: string, lookedTo: string): boolean {
  if (!/^[0-9A-F]{24}$/.test(lookedTo)) return false;
  return name.slice(0, 8) <= lookedTo.slice(0, 8) && name.slice(8) <= lookedTo.slice(8);
}
