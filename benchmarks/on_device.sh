#!/usr/bin/env bash
# Hold the predictions of memory and time against this machine's GPU: both device scripts in under nine minutes.
#
#   benchmarks/on_device.sh          on the machine; it needs torch and a Python of 3.10 or later, and no package index
#   benchmarks/on_device.sh --pack   beforehand, where there is an index: what a bare machine lacks, as wheels in .wheels/
#                                    (for the Python of PACK_PYTHON, 3.12 unasked, on Linux, x86-64; 20 MiB)
#   benchmarks/on_device.sh --cpu    try it all on the CPU, on small designs
#
# It writes memory_NAME.csv, fits_NAME.csv, profile_NAME.csv and profile_NAME.html into the folder OUT (reports/ unasked),
# NAME being what the GPU is called, and ends with 0 if both scripts did.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
wheels=.wheels

if [ "${1:-}" = --pack ]; then
    needs=$("$python" -c '
import re, pathlib
text = pathlib.Path("pyproject.toml").read_text()
found = re.findall(r"\"(.+?)\"", re.search(r"^dependencies = \[(.*?)^\]", text, re.S | re.M)[1])
print(*(one for one in found if not one.startswith(("matplotlib", "pandas"))))  # no script draws, or makes a frame')
    mkdir -p "$wheels"
    platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' 28 27 24 17 12 5)
    # shellcheck disable=SC2086  # words on purpose
    "$python" -m pip download --only-binary=:all: --implementation cp --python-version "${PACK_PYTHON:-3.12}" \
        $platforms --platform manylinux2014_x86_64 --dest "$wheels" $needs
    du -sh "$wheels"
    exit
fi

out=${OUT:-reports}
site=$(mktemp -d)
trap 'rm -r "$site"' EXIT
for wheel in $("$python" - "$wheels" <<'PY'
import importlib.metadata
import pathlib
import sys

for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):  # a wheel is a zip file: no pip is needed
    try:
        importlib.metadata.version(wheel.name.split("-")[0])
    except importlib.metadata.PackageNotFoundError:
        print(wheel)
PY
); do
    "$python" -m zipfile -e "$wheel" "$site"
done
export PYTHONPATH="$PWD:$site" PYTHONUNBUFFERED=1

"$python" - <<'PY' || { echo "run benchmarks/on_device.sh --pack where there is a package index, and bring .wheels/" >&2; exit 2; }
import sys

try:
    import torch

    import archscope.cli.main, archscope.backends.torch.profile, jinja2, tqdm  # noqa: E401
except ImportError as error:
    sys.exit(f"on_device.sh: {error}")
print(f"torch {torch.__version__}, Python {sys.version.split()[0]}")
PY

if [ "${1:-}" = --cpu ]; then
    device=cpu few=(--design lenet5 --design fashion_mnist_mlp --batch 4) fits=() minutes=(0.5 4)
else
    device=cuda few=() minutes=(3.5 4.5)
fi
name=$("$python" -c 'import re, sys
from archscope.backends.torch.machine import machine
print(re.sub(r"[^A-Za-z0-9]+", "_", machine(sys.argv[1]).title).strip("_"))' "$device")
[ "$device" = cpu ] || fits=(--fits "$out/fits_$name.csv")

failed=0
timeout 240 "$python" benchmarks/memory_on_device.py --device "$device" --minutes "${minutes[0]}" \
    --out "$out/memory_$name.csv" ${fits[@]+"${fits[@]}"} ${few[@]+"${few[@]}"} || failed=1
timeout 290 "$python" benchmarks/profile_on_device.py --device "$device" --minutes "${minutes[1]}" \
    --out "$out" ${few[@]+"${few[@]}"} || failed=1
exit "$failed"
