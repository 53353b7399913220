#!/usr/bin/env bash
# Installs the wheel of dist/ into an empty environment, with the versions of constraints.txt, and goes through smoke_list;
# then installs napari beside it, and opens a window (smoke_view).
# Usage: smoke.sh [EXTRA_PIP_ARGUMENTS...]     ($PYTHON picks the interpreter)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=$work/environment/$([ "${OS:-}" = Windows_NT ] && echo Scripts || echo bin)

bash "$here/create_venv.sh" "$work/environment"
wheels=("$root"/dist/*.whl)
install=("$bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" "$@")
"${install[@]}" "${wheels[0]}"
bash "$here/smoke_list.sh" "$bin"

"${install[@]}" "${wheels[0]}[all]"
bash "$here/qt_libraries.sh" "$bin/python"
screen=()
if [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}" ]; then screen=(xvfb-run -a -s "-screen 0 1440x1000x24"); fi
cd "$work"
${screen[@]+"${screen[@]}"} "$bin/python" "$here/smoke_view.py" "$work/view.png"
