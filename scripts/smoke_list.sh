#!/usr/bin/env bash
# Does with an installed napari-sam2 what everybody does first, in an empty folder, without a network and without a window.
# Usage: smoke_list.sh FOLDER_OF_THE_COMMAND
set -euo pipefail
command=$1/napari-sam2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export NAPARI_SAM2_HOME=$folder/home NAPARI_SAM2_CACHE=$folder/cache
export HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9   # whatever asks the network fails

say() { echo "--- napari-sam2 $*"; "$command" "$@"; }

say --version
say doctor --json
say demo --out demo
say segment demo/images.tif --frames 0 --out found.tif --table objects.csv
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print "object_id,frame,y,x" }
         NR == 2 { print "1,0," $at["y_px"] "," $at["x_px"] }' objects.csv > clicks.csv
say track demo/images.tif --prompts clicks.csv --stop 3 --out labels.tif --session work.sam2
say export work.sam2 --csv cells.csv --ctc 01_RES
cat > plan.toml <<'PLAN'
out = "plate"
[[movies]]
paths = ["demo/images.tif"]
[do]
task = "segment"
diameter_px = 35
PLAN
say run plan.toml
if ! "$1/python" -c 'import napari' 2>/dev/null; then
  echo "--- napari-sam2 view, without napari"
  if "$command" view demo/images.tif 2> view.txt; then echo "a window without napari?" >&2; exit 1; fi
  grep -F 'pip install "napari-sam2[all]"' view.txt
fi
for file in found.tif objects.csv labels.tif cells.csv 01_RES/res_track.txt plate/results.csv; do
  [ -s "$file" ] || { echo "$file was not written" >&2; exit 1; }
done
echo "all of it works"
