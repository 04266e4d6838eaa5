/** Returns the options of spawn() by which another user runs a program. Node takes ids for signed numbers of 32 bits. */
export function runAs(
  user: { uid: number; gid: number } | undefined,
): { uid: number; gid: number } | undefined {
  return user && { uid: user.uid | 0, gid: user.gid | 0 };
}
