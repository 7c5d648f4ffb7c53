# Builds what ./capsule runs, if sources are newer than what was built. Sourced, with $JAVA_HOME set to a JDK 25.

# is_stale ROOT MODULE: whether any source is newer than the module's last build.
is_stale() {
  local stamp="$1/$2/target/built"
  [ ! -f "$stamp" ] && return 0
  [ -n "$(find "$1"/pom.xml "$1"/*/pom.xml "$1"/*/src/main -newer "$stamp" -print -quit)" ]
}

# build_if_stale ROOT MODULE: quiet but for one line; the log is shown if the build fails. One build at a time.
build_if_stale() {
  is_stale "$1" "$2" || return 0
  mkdir -p "$1/$2/target"
  (
    if command -v flock >/dev/null; then
      flock 9
    fi
    is_stale "$1" "$2" || exit 0
    echo "capsule: building (once; sources are newer than what was built) ..." >&2
    local log="$1/$2/target/build.log"
    if ! (cd "$1" && ./mvnw -B -q -DskipTests -pl "$2" -am package) >"$log" 2>&1; then
      tail -n 40 "$log" >&2
      echo "capsule: the build failed; the whole log is in $log" >&2
      exit 1
    fi
    if [ "$2" = cli ]; then
      make_aot_cache "$1" || echo "capsule: note: no AOT cache could be made; commands start more slowly" >&2
    fi
    touch "$1/$2/target/built"
  ) 9>"$1/$2/target/build.lock"
}

# java_flags ROOT: what every run of the command needs, one flag a line.
java_flags() {
  printf '%s\n' -XX:+UseSerialGC -Xms64m -Xmx512m \
    --enable-native-access=ALL-UNNAMED --add-opens=java.base/jdk.internal.misc=ALL-UNNAMED
}

class_path() {
  local jar="$1/cli/target/kvcapsule-cli-0.1.0.jar" lib
  for lib in "$1"/cli/target/lib/*.jar; do
    jar="$jar:$lib"
  done
  echo "$jar"
}

# One training run on the sample that comes with the program: classes, and profiles of what is hot.
make_aot_cache() {
  local flags work
  mapfile -t flags < <(java_flags "$1")
  rm -f "$1/cli/target/capsule.aot"
  "$JAVA_HOME/bin/java" "${flags[@]}" -XX:AOTCacheOutput="$1/cli/target/capsule.aot" -cp "$(class_path "$1")" dev.kvcapsule.cli.Main train \
    >"$1/cli/target/aot.log" 2>&1 && [ -f "$1/cli/target/capsule.aot" ]
}
