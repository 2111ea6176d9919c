# Sourced by the launchers. Sets JAVA to a Java 25 or newer, or leaves it empty.
# Order: THRESHER_JAVA_HOME, the runtime beside the program, JAVA_HOME, PATH, the usual places of packages and SDK managers.

java_is_recent() { # JAVA_BINARY
  [ -x "$1" ] || return 1
  local version
  version=$("$1" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.specification.version = \([0-9]*\).*/\1/p')
  [ "${version:-0}" -ge 25 ]
}

find_java() { # [RUNTIME_DIRECTORY]
  local candidate
  # A runtime that was made for this program is not asked for its version: that would double the start-up time.
  if [ -z "${THRESHER_JAVA_HOME:-}" ] && [ -x "${1:-/nonexistent}/bin/java" ]; then
    JAVA=$1/bin/java
    return
  fi
  JAVA=
  for candidate in "${THRESHER_JAVA_HOME:+$THRESHER_JAVA_HOME/bin/java}" "${JAVA_HOME:+$JAVA_HOME/bin/java}" \
    "$(command -v java || true)" /usr/lib/jvm/*/bin/java /opt/*/bin/java "$HOME"/.sdkman/candidates/java/*/bin/java \
    "$HOME"/.jdks/*/bin/java; do
    if [ -n "$candidate" ] && java_is_recent "$candidate"; then
      JAVA=$candidate
      return
    fi
  done
}
