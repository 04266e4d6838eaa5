/** What configured programs are started with: what reaches the databases is none of their business. */

export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSecret = (name: string) => /^(DATABASE_URL|PGPASSWORD|HOLDFAST_CLUSTER_.+_URL)$/.test(name);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isSecret(name)));
}
