#!/usr/bin/env bash
# Makes a folder that runs on any Linux x86-64 machine with a driver, without Java or Maven: gpu-image.sh FOLDER
#   FOLDER/gpu-check    the table of scripts/gpu-check.sh
#   FOLDER/capsule      the whole command, such as FOLDER/capsule encode --device cuda ...
# tar it, copy it to the GPU's host, and run it there.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: gpu-image.sh FOLDER" >&2; exit 2; }
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$1
. "$root/scripts/jdk.sh"
. "$root/scripts/build.sh"
JAVA_HOME=$(find_jdk25)
export JAVA_HOME
build_if_stale "$root" cli
rm -rf "$out/java" "$out/lib"
mkdir -p "$out/lib"
"$JAVA_HOME/bin/jlink" --add-modules java.base,java.logging,java.management,jdk.unsupported,jdk.incubator.vector,jdk.crypto.ec,jdk.zipfs --strip-debug --no-header-files --no-man-pages \
  --compress zip-9 --output "$out/java"
cp "$root"/cli/target/kvcapsule-cli-*.jar "$root"/cli/target/lib/*.jar "$out/lib/"
install -m 755 "$root/scripts/gpu-check.sh" "$out/gpu-check"
cat >"$out/capsule" <<'EOF'
#!/usr/bin/env bash
here=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
exec "$here/java/bin/java" -XX:+UseSerialGC -Xmx2g --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED --add-opens=java.base/jdk.internal.misc=ALL-UNNAMED \
  -cp "$here/lib/*" dev.kvcapsule.cli.Main "$@"
EOF
chmod 755 "$out/capsule"
du -sh "$out" | sed 's/\t.*/ in all/'
