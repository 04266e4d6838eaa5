import { randomBytes } from 'node:crypto';

/** The key of an advisory lock that nobody can have guessed and taken before: 64 random bits, as text. */
export function randomLockKey(): string {
  return randomBytes(8).readBigInt64LE().toString();
}
