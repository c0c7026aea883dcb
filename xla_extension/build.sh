#!/bin/sh
# Compiles the CPU plugin: build.sh <directory that holds tensorflow/> <out.so>
# The directory is an unpacked `tensorflow-cpu` wheel. CXX may name another compiler than g++.
set -eu
if [ $# -ne 2 ]; then
  echo "usage: $0 <directory that holds tensorflow/> <out.so>" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
tensorflow=$(cd "$1/tensorflow" && pwd)
out_dir=$(cd "$(dirname "$2")" && pwd)
out=$out_dir/$(basename "$2")
include=$tensorflow/include
relative=$(realpath --relative-to="$out_dir" "$tensorflow")

"${CXX:-g++}" -std=c++17 -O2 -DNDEBUG -fPIC -fvisibility=hidden -w -shared \
  -I"$here/stubs" \
  -I"$include" \
  -I"$include/external/highwayhash" \
  -I"$include/external/farmhash_archive/src" \
  -I"$include/external/stablehlo" \
  "$here/src/plugin.cc" \
  -o "$out.part" \
  -L"$tensorflow" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 \
  -Wl,-z,now -Wl,--version-script="$here/exports.map" \
  -Wl,-rpath,"\$ORIGIN/$relative"
mv "$out.part" "$out"
