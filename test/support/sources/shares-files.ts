// Whether this process can read what a container's server writes: as root, with Docker on the same machine.
export const sharesFiles =
  process.getuid?.() === 0 && !/^(tcp|ssh|https?):/.test(process.env['DOCKER_HOST'] ?? '');
