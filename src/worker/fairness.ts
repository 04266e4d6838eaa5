/**
 * Decides which waiting request gets the next session. The requester who holds the fewest sessions goes
 * first, then the requester who was served longest ago, then the oldest request. A tenth of the sessions is
 * reserved for requesters who hold none, and no requester holds more sessions than their cap: many requests
 * of one requester cannot block the others. A requester is a role and a login. Sessions of either count,
 * because SET ROLE turns one role into another.
 */
import type { WaitingRequest } from '../control/backup-requests.ts';

/**
 * The role and the login that made a request. For a schedule, which the login of a worker fires, only the
 * owner's role is set and the login is null.
 */
export type RequestedBy = Pick<WaitingRequest, 'requestedBy' | 'requestedLogin'>;

/**
 * The request that gets the next session; undefined if no session is free for any of the waiting requests.
 */
export function chooseNext<Waiting extends RequestedBy & Pick<WaitingRequest, 'id'>>(
  waiting: readonly Waiting[],
  held: readonly RequestedBy[],
  maxHeld: number,
  /** When each name of a requester (see `namesOf`) was last served, in any unit of time. */
  served: ReadonlyMap<string, number> = new Map(),
  /** The most sessions of one requester. */
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

/** The names under which the sessions of a requester are counted: the role, and the login if there is one. */
export function namesOf({ requestedBy, requestedLogin }: RequestedBy): string[] {
  return [`role ${requestedBy}`, ...(requestedLogin === null ? [] : [`login ${requestedLogin}`])];
}

function halfOf(maxHeld: number): number {
  return Math.max(1, Math.floor(maxHeld / 2));
}
