#!/usr/bin/env bash
# deps.sh - `make deps`: the Debian packages that building, testing and the demo need. Does nothing when all are there.
set -euo pipefail
packages=(gcc make pkg-config libyajl-dev libpcre2-dev libcurl4-openssl-dev libsqlite3-dev libyaml-dev zlib1g-dev
	libzstd-dev libssl-dev python3 python3-yaml zstd gzip tzdata)

command -v dpkg-query >/dev/null || {
	echo "deps: this is no Debian; install by hand what these packages hold: ${packages[*]}" >&2
	exit 3
}
missing=()
for p in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "deps: all ${#packages[@]} packages are installed"
	exit 0
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "deps: not root and no sudo; as root run: apt-get install ${missing[*]}" >&2
		exit 3
	}
	echo "deps: not root, so apt-get runs through sudo"
	root=(sudo)
fi
echo "deps: installing ${missing[*]}"
get=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends install "${missing[@]}")
"${get[@]}" || { "${root[@]}" apt-get update && "${get[@]}"; }
