/**
 * Which waiting request gets the next session. Requesters take turns: whoever holds the fewest sessions
 * goes first, then whoever was served longest ago, then the oldest request. A tenth of the sessions is kept
 * for requesters who hold none, and nobody holds more than his cap, so that nobody can shut out the others by
 * requesting a lot.
 */
import type { WaitingRequest } from '../control/requests.ts';

export function chooseNext<Waiting extends Pick<WaitingRequest, 'id' | 'requestedBy'>>(
  waiting: readonly Waiting[],
  held: readonly { requestedBy: string }[],
  maxHeld: number,
  /** When each requester was served last, in any unit. */
  served: ReadonlyMap<string, number> = new Map(),
  /** How many one requester holds at most. */
  cap: number = halfOf(maxHeld),
): Waiting | undefined {
  const free = maxHeld - held.length;
  if (free <= 0) return undefined;
  const reserved = maxHeld > 1 ? Math.max(1, Math.floor(maxHeld / 10)) : 0;
  const heldBy = (requester: string) => held.filter(({ requestedBy }) => requestedBy === requester).length;
  return waiting
    .map((request) => ({
      request,
      holds: heldBy(request.requestedBy),
      served: served.get(request.requestedBy) ?? 0,
    }))
    .filter(({ holds }) => holds === 0 || (free > reserved && holds < cap))
    .sort((a, b) => a.holds - b.holds || a.served - b.served || a.request.id - b.request.id)[0]?.request;
}

function halfOf(maxHeld: number): number {
  return Math.max(1, Math.floor(maxHeld / 2));
}
