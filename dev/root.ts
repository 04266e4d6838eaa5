import { fileURLToPath } from 'node:url';

/** This checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url));
