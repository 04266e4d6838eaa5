import { randomBytes } from 'node:crypto';

/** The key of an advisory lock that no other role can guess and take in advance: 64 random bits, as text. */
export function randomLockKey(): string {
  return randomBytes(8).readBigInt64LE().toString();
}
