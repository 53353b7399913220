#!/usr/bin/env bash
# Sees to the system libraries that Qt and a screen without a monitor (Xvfb) need on Linux; nothing to do elsewhere.
# Fails only when Qt cannot be imported afterwards: then no test can start.
# Usage: qt_libraries.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ "$(uname -s)" = Linux ]; then
  bash "$here/system_packages.sh" \
    xvfb libegl1 libgl1 libglx-mesa0 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 \
    libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libdbus-1-3 libfontconfig1 ||
    echo "Going on without them: tests that need a screen may fail." >&2
fi

if ! "$python" -c 'import PySide6.QtWidgets' 2>/dev/null; then
  echo "Qt cannot be loaded, so the tests cannot start; Python says:" >&2
  "$python" -c 'import PySide6.QtWidgets' || true
  exit 1
fi
