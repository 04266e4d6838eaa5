#!/bin/bash
# Makes a container image of Debian's PostgreSQL without pulling one: a debootstrap tree, imported.
#
#   make-image.sh [IMAGE [SUITE]]     default: holdfast-postgres, and this machine's own Debian suite
#
# Needs root, debootstrap and a running Docker. The packages come from where apt gets this machine's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
image=${1:-holdfast-postgres}
suite=${2:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
  awk -v own="$(. /etc/os-release && echo "$VERSION_CODENAME")" '$2 == own { print $1; exit }')

tree=$(mktemp -d)
trap 'rm -rf --one-file-system "$tree"' EXIT
debootstrap --variant=minbase --include=postgresql "$suite" "$tree" "$mirror"

# The cluster that the package made for itself is not wanted, nor is what only apt needs.
rm -rf "$tree"/var/lib/postgresql/*/main "$tree"/etc/postgresql/*/main \
  "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man}
install -m 755 "$here/entrypoint.sh" "$tree/usr/local/bin/entrypoint.sh"
version=$(ls "$tree/usr/lib/postgresql")

tar -C "$tree" -c . | docker import \
  --change 'ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]' \
  --change 'CMD ["postgres"]' \
  --change "ENV PATH=/usr/lib/postgresql/$version/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
  --change 'ENV PGDATA=/var/lib/postgresql/data' \
  --change 'EXPOSE 5432' \
  - "$image:$version" >/dev/null
echo "$image:$version"
