#!/usr/bin/env bash
# Builds sdist and wheel (the wheel from the sdist, so the sdist is known to be complete) and looks into both.
# Usage: check_distributions.sh PYTHON [FOLDER]     (they stay in FOLDER, where one is given)
set -euo pipefail
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=${2:-$work/dist}

"$python" -m build --outdir "$folder" . >"$work/log.txt" 2>&1 || { cat "$work/log.txt" >&2; exit 1; }
"$python" scripts/inspect_distributions.py "$folder"
