#!/usr/bin/env bash
# Builds every agent and test guest for wasm32-wasip2 and refreshes prebuilt/.
#
#   example-agents/build.sh            build all into prebuilt/
#   example-agents/build.sh --check    build, and fail if a source hash in prebuilt/ is stale
#   OUT=DIR example-agents/build.sh    build into DIR instead (to test freshly built agents)
#
# Needs rustup's target: `rustup target add wasm32-wasip2`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$(pwd -P)
root=$(dirname "$here")
out=${OUT:-$here/prebuilt}
target=wasm32-wasip2
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target}
export CARGO_TARGET_DIR

agents=(apply-patch check-secrets hello license-header llm-coder replace todo-report)
guests=()
for manifest in test-guests/*/Cargo.toml; do
    guests+=("$(dirname "$manifest")")
done

# One line per agent, in the order of the names: "<sha256>  <wasm>".
hashes() {
    local dir
    for dir in "${agents[@]}" "${guests[@]}"; do
        printf '%s  %s\n' "$(python3 source-hash.py "$dir")" "$(wasm_of "$dir")"
    done
}

wasm_of() {
    case $1 in
        test-guests/*) echo "test/${1#test-guests/}.wasm" ;;
        *) echo "$1.wasm" ;;
    esac
}

if [ "${1:-}" = --check ]; then
    diff <(hashes) prebuilt/SOURCES.sha256 || {
        echo "prebuilt agents are stale: run example-agents/build.sh and commit prebuilt/" >&2
        exit 1
    }
fi

if ! rustc --print target-libdir --target "$target" >/dev/null 2>&1 ||
    [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    echo "the target $target is not installed: run \`rustup target add $target\`" >&2
    exit 1
fi

# No path of the builder's machine in the components.
sysroot=$(rustc --print sysroot)
export CARGO_ENCODED_RUSTFLAGS
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f%s\x1f%s' \
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
    "--remap-path-prefix=$root=/brio" \
    "--remap-path-prefix=$sysroot=/rust")
cargo build --release --locked --workspace --target "$target"

mkdir -p "$out/test"
for dir in "${agents[@]}" "${guests[@]}"; do
    name=$(basename "$dir")
    built=$CARGO_TARGET_DIR/$target/release
    if [ -f "$dir/src/lib.rs" ]; then
        cp "$built/${name//-/_}.wasm" "$out/$(wasm_of "$dir")"
    else
        cp "$built/$name.wasm" "$out/$(wasm_of "$dir")"
    fi
done
hashes >"$out/SOURCES.sha256"
python3 third-party.py >"$out/THIRD-PARTY.md"
