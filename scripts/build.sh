# Builds what ./capsule runs, if sources are newer than what was built. Sourced, with $JAVA_HOME set to a JDK 25.

# is_stale ROOT MODULE: whether any source is newer than the module's last build.
is_stale() {
  local stamp="$1/$2/target/built"
  [ ! -f "$stamp" ] && return 0
  [ -n "$(find "$1"/pom.xml "$1"/scripts/build.sh "$1"/*/pom.xml "$1"/*/src/main -newer "$stamp" -print -quit)" ]
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
    # Dated before the build: what changes meanwhile is newer.
    touch "$1/$2/target/building"
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
    mv -f "$1/$2/target/building" "$1/$2/target/built"
  ) 9>"$1/$2/target/build.lock"
}

# refresh_aot_cache ROOT: an AOT cache is good for the very jars it was made from, which another build may have written anew since.
refresh_aot_cache() {
  local jar aot="$1/cli/target/capsule.aot"
  [ -f "$aot" ] && [ -w "$aot" ] || return 0
  for jar in "$1"/cli/target/*.jar "$1"/cli/target/lib/*.jar; do
    if [ "$jar" -nt "$aot" ]; then
      echo "capsule: preparing a fast start (once; jars are newer than the AOT cache) ..." >&2
      make_aot_cache "$1" || echo "capsule: note: no AOT cache could be made; commands start more slowly" >&2
      return 0
    fi
  done
}

# java_flags ROOT: what every run of the command needs, one flag a line.
java_flags() {
  # What the JVM itself has to say goes to standard error, and nothing if it can only not use the AOT cache.
  printf '%s\n' -Xlog:disable -Xlog:all=warning:stderr -Xlog:aot*=off:stderr
  # The AOT cache lies where it was made to lie, without relocating its pointers at every start.
  printf '%s\n' -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0 -Xms64m -Xmx512m \
    --enable-native-access=ALL-UNNAMED --add-opens=java.base/jdk.internal.misc=ALL-UNNAMED
  # Chronicle Bytes maps the store's files through what the JDK keeps to itself.
  printf '%s\n' --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.lang.reflect=ALL-UNNAMED \
    --add-exports=java.base/jdk.internal.ref=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -Dslf4j.internal.verbosity=ERROR
}

class_path() {
  local jar="$1/cli/target/kvcapsule-cli-0.1.0.jar" lib
  for lib in "$1"/cli/target/lib/*.jar; do
    jar="$jar:$lib"
  done
  echo "$jar"
}

# Training runs on the sample that comes with the program: classes, and profiles of what is hot, so that C2 begins at once. A JVM with the Vector API
# cannot use the cache of one without, and starts more slowly: it has its own, trained on the codec that multiplies matrices.
make_aot_cache() {
  make_one_aot_cache "$1" capsule && make_one_aot_cache "$1" vectors --add-modules=jdk.incubator.vector
}

# make_one_aot_cache ROOT NAME FLAG...
make_one_aot_cache() {
  local flags made=1 root=$1 out=$1/cli/target/$2 home
  shift 2
  mapfile -t flags < <(java_flags "$root")
  rm -f "$out.aot"
  home=$(mktemp -d)
  local main=(-cp "$(class_path "$root")" dev.kvcapsule.cli.Main)
  # The tables are made by a run of its own: what makes them is needed once, and every class in the cache costs every start.
  if CAPSULE_HOME=$home CAPSULE_DATABASE='' "$JAVA_HOME/bin/java" "${flags[@]}" "${main[@]}" checkpoint --session train --no-capsule >"$out.aot.log" 2>&1 &&
    CAPSULE_HOME=$home CAPSULE_DATABASE='' "$JAVA_HOME/bin/java" "${flags[@]}" "$@" -XX:AOTCacheOutput="$out.aot" "${main[@]}" train --sessions >>"$out.aot.log" 2>&1; then
    made=0
  fi
  rm -rf "$home"
  [ "$made" = 0 ] && [ -f "$out.aot" ]
}

# wants_vectors ARG...: whether the work is long enough for the Vector API's kernels, which have to be compiled first: the demo and the report, which
# repeat everything, the gateway, large files, and codecs that multiply matrices, as an argument or a capsule's manifest names them.
wants_vectors() {
  local arg files=()
  case "${1:-}" in
    demo | doctor | calibrate | report | serve) return 0 ;;
  esac
  for arg in "$@"; do
    case "$arg" in
      # Names of this shell's streams mean something else to the commands below: head would wait for itself.
      /dev/*) continue ;;
      klt | klt:* | kvtc | kvtc:* | --codec=klt* | --codec=kvtc* | small | --profile=small | --basis | --basis=*) return 0 ;;
    esac
    if [ -f "$arg" ]; then
      files+=("./$arg")
      [ "${arg:0:1}" = / ] && files[${#files[@]}-1]=$arg
    fi
  done
  if [ ${#files[@]} -gt 0 ] && head -qc 1024 "${files[@]}" 2>/dev/null | LC_ALL=C grep -qaE 'codec.{1,3}(klt|kvtc):'; then
    return 0
  fi
  [ ${#files[@]} -gt 0 ] && [ -n "$(find -L "${files[@]}" -maxdepth 0 -size +262144k -print 2>/dev/null)" ]
}
