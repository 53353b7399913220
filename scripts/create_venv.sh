#!/usr/bin/env bash
# Creates a virtual environment with a Python that is new enough; leaves one that works as it is.
# Usage: create_venv.sh FOLDER     ($PYTHON picks the interpreter)
set -euo pipefail
folder=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$([ "${OS:-}" = Windows_NT ] && echo Scripts || echo bin)

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if new_enough "$folder/$bin/python" && "$folder/$bin/python" -m pip --version >/dev/null 2>&1; then
  exit 0
fi

python=""
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if new_enough "$candidate"; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "No Python 3.11 or newer found (looked for ${PYTHON:-python3, python3.14, python3.13, python3.12, python3.11})." >&2
  echo "Install one (Debian 12 and later: apt-get install python3 python3-venv) or name it: make demo PYTHON=/path/to/python3" >&2
  exit 1
fi

# Debian keeps ensurepip, without which no environment gets a pip, in a package of its own.
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
  version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  bash "$here/system_packages.sh" "$version" || true
fi
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
  echo "$python cannot create virtual environments: its module ensurepip is missing." >&2
  echo "On Debian and Ubuntu: sudo apt-get install python3-venv, then run the same command again." >&2
  exit 1
fi

echo "Creating $folder with $("$python" --version). The first set-up downloads torch and takes some minutes."
"$python" -m venv --clear "$folder"
