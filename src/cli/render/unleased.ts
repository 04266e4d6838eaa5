/** The warning of a lease that could not be left. `problem`: why. */
export function unleased(problem: string): string {
  return `an expiry does not know that this server still needs WAL (${problem}): run none until it has recovered`;
}
