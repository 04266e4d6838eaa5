/** The environment for configured programs. */

/** Removes the variables with the passwords and connection strings of databases. */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSecret = (name: string) => /^(DATABASE_URL|PGPASSWORD|HOLDFAST_CLUSTER_.+_URL)$/.test(name);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isSecret(name)));
}
