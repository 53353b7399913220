#!/usr/bin/env bash
# Installs the named Debian packages that are missing, where it may (as root, or with a sudo that asks nothing);
# otherwise says what to install and fails. Where there is no apt-get, it only says so.
# Usage: system_packages.sh PACKAGE...
set -euo pipefail

if ! command -v apt-get >/dev/null; then
  echo "No apt-get here. Your system's counterparts of these Debian packages are needed: $*" >&2
  exit 1
fi

missing=()
for package in "$@"; do
  if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  echo "Missing system packages. Install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi

echo "Installing system packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
