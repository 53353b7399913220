#!/usr/bin/env bash
# Builds sdist and wheel (the wheel from the sdist, so the sdist is known to be complete) and looks into both.
# Usage: check_distributions.sh PYTHON
set -euo pipefail
python=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m build --outdir "$folder" . >"$folder/log.txt" 2>&1 || { cat "$folder/log.txt" >&2; exit 1; }
"$python" scripts/inspect_distributions.py "$folder"
