#!/usr/bin/env bash
# Runs every CUDA kernel on this machine's GPU and prints a table as results come: whether its bytes are the processor's, the speed on f16 rows against the device's own copy in the same run, the bus,
# and what a launch costs.
# In a checkout it builds first. In a folder that scripts/gpu-image.sh made it runs at once, without Java or Maven. Exit code 0: all bytes are the same; 1: not all, or a
# kernel was not compared; 5: the GPU or its driver failed; 69: no GPU.
set -euo pipefail
here=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
main=dev.kvcapsule.cuda.GpuCheck
if [ -x "$here/java/bin/java" ]; then
  exec "$here/java/bin/java" -Xmx2g --enable-native-access=ALL-UNNAMED -cp "$here/lib/*" "$main" "$@"
fi
root=$here/..
. "$root/scripts/jdk.sh"
. "$root/scripts/build.sh"
JAVA_HOME=$(find_jdk25)
export JAVA_HOME
build_if_stale "$root" cli
exec "$JAVA_HOME/bin/java" -Xmx2g --enable-native-access=ALL-UNNAMED -cp "$root/cli/target/lib/*" "$main" "$@"
