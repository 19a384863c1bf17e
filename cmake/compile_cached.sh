#!/bin/sh
# compile_cached.sh CCACHE COMPILER ARGUMENTS...: compiles through ccache, which knows a precompiled header by the
# checksum that is written beside it here: to read its 130 MB again for each source took a quarter of a build.
# pch_defines,time_macros: the time of a precompiled header is not its content.
export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1 CCACHE_PCH_EXTSUM=1
"$@" || exit
while [ $# -gt 1 ]; do
  if [ "$1" = -o ]; then
    case $2 in
      *.gch) sha256sum <"$2" >"$2.sum.part" && mv "$2.sum.part" "$2.sum" ;;
    esac
  fi
  shift
done
