/**
 * Which waiting request gets the next session. Requesters take turns: whoever holds the fewest sessions
 * goes first, then whoever was served longest ago, then the oldest request. A tenth of the sessions is kept
 * for requesters who hold none, and nobody holds more than their cap, so that nobody can shut out the others by
 * requesting a lot. A requester is a role and a login: sessions of either count, since SET ROLE makes one of the other.
 */
import type { WaitingRequest } from '../control/backup-requests.ts';

/** Of a schedule, which a worker's login fires, the owner's role alone. */
export type RequestedBy = Pick<WaitingRequest, 'requestedBy' | 'requestedLogin'>;

export function chooseNext<Waiting extends RequestedBy & Pick<WaitingRequest, 'id'>>(
  waiting: readonly Waiting[],
  held: readonly RequestedBy[],
  maxHeld: number,
  /** When each of namesOf() a requester was served last, in any unit. */
  served: ReadonlyMap<string, number> = new Map(),
  /** How many one requester holds at most. */
  cap: number = halfOf(maxHeld),
): Waiting | undefined {
  const free = maxHeld - held.length;
  if (free <= 0) return undefined;
  const reserved = maxHeld > 1 ? Math.max(1, Math.floor(maxHeld / 10)) : 0;
  const heldBy = new Map<string, number>();
  for (const name of held.flatMap(namesOf)) heldBy.set(name, (heldBy.get(name) ?? 0) + 1);
  const most = (of: ReadonlyMap<string, number>, requester: RequestedBy) =>
    Math.max(...namesOf(requester).map((name) => of.get(name) ?? 0));
  return waiting
    .map((request) => ({ request, holds: most(heldBy, request), served: most(served, request) }))
    .filter(({ holds }) => holds === 0 || (free > reserved && holds < cap))
    .sort((a, b) => a.holds - b.holds || a.served - b.served || a.request.id - b.request.id)[0]?.request;
}

/** What of a requester is counted. */
export function namesOf({ requestedBy, requestedLogin }: RequestedBy): string[] {
  return [`role ${requestedBy}`, ...(requestedLogin === null ? [] : [`login ${requestedLogin}`])];
}

function halfOf(maxHeld: number): number {
  return Math.max(1, Math.floor(maxHeld / 2));
}
