# Finds a JDK 25 without starting one. Sourced by ./capsule and ./test.

is_jdk25() {
  local line
  [ -x "$1/bin/javac" ] && [ -f "$1/release" ] || return 1
  while IFS= read -r line; do
    case "$line" in
      'JAVA_VERSION="25"'* | 'JAVA_VERSION="25.'*) return 0 ;;
    esac
  done <"$1/release"
  return 1
}

# Prints the home of a JDK 25: JAVA_HOME, the one on the PATH, then the usual places.
find_jdk25() {
  local home on_path
  if [ -n "${JAVA_HOME:-}" ] && is_jdk25 "$JAVA_HOME"; then
    echo "$JAVA_HOME"
    return
  fi
  if on_path=$(command -v javac) && on_path=$(readlink -f "$on_path") && is_jdk25 "${on_path%/bin/javac}"; then
    echo "${on_path%/bin/javac}"
    return
  fi
  for home in /usr/lib/jvm/* /opt/java/* /opt/*jdk* "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/* \
      /Library/Java/JavaVirtualMachines/*/Contents/Home "${HOME:-}"/Library/Java/JavaVirtualMachines/*/Contents/Home; do
    if is_jdk25 "$home"; then
      echo "$home"
      return
    fi
  done
  echo "capsule: no JDK 25 found. Install one (Temurin 25 or another OpenJDK 25) and set JAVA_HOME to its folder." >&2
  return 5
}
