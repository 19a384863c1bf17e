# shellcheck shell=bash
# The one list of Debian and Ubuntu packages, and how they are installed. Sourced by ./go and ./check.
# Every name exists in Debian 12 and in Ubuntu 24.04; docs/dependencies.md says what each library is for.

# What a build of the program needs, and pip, which fetches the models that live in Python packages.
# shellcheck disable=SC2034  # used by the scripts that source this file
linnet_build_packages=(
  ca-certificates cmake g++ ninja-build pkg-config python3 python3-pip
  libcli11-dev libcurl4-openssl-dev libedit-dev libfmt-dev libgtest-dev libpcre2-dev libssl-dev libutf8proc-dev
  libzip-dev nlohmann-json3-dev
)

# What ./check needs besides. One LLVM version for the formatter, the linter and the fuzzer.
# shellcheck disable=SC2034
linnet_check_packages=(
  ccache clang-16 clang-format-16 clang-tidy-16 git libclang-rt-16-dev python3-venv shellcheck tmux
)

# Prints those of the given packages that are not installed, one a line. Prints nothing where there is no dpkg:
# there CMake names what it does not find.
missing_packages() {
  command -v dpkg-query >/dev/null || return 0
  local installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  local package
  for package in "$@"; do
    grep -qx "$package installed" <<<"$installed" || printf '%s\n' "$package"
  done
}

# install_packages LOG PACKAGE...: installs them as root, or through sudo; asks at most once, and only on a terminal.
# Without the right to install: prints the line for an administrator and exits 2.
install_packages() {
  local log=$1
  shift
  local apt=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -o DPkg::Lock::Timeout=300
    -o Dpkg::Options::=--force-confold)
  local sudo=()
  if [[ $(id -u) != 0 ]]; then
    sudo=(sudo -n)
    if ! command -v sudo >/dev/null || ! may_use_sudo "$@"; then
      administrator_line "$@"
      exit 2
    fi
  fi
  echo "Installing $# packages: $*" >&2
  mkdir -p "$(dirname "$log")"
  if ! "${sudo[@]}" "${apt[@]}" update >"$log" 2>&1 </dev/null ||
    ! "${sudo[@]}" "${apt[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    echo "Installing the packages failed. The whole log is $log" >&2
    exit 1
  fi
}

# Whether sudo lets this person in. On a terminal sudo's question for the password is the one question asked; where
# sudo needs no password, the question is ours.
may_use_sudo() {
  if sudo -n true 2>/dev/null; then
    [[ -t 0 && -t 1 ]] || return 0
    local answer
    read -r -p "Linnet needs $# packages ($*). Install them with apt? [Y/n] " answer
    [[ -z $answer || $answer == [Yy]* ]]
    return
  fi
  [[ -t 0 && -t 1 ]] || return 1
  echo "Linnet needs $# packages: $*" >&2
  sudo -v -p "Password of %p, to install them with apt (Ctrl-C to stop): "
}

administrator_line() {
  {
    echo "Linnet needs packages that are not installed, and you may not install them here."
    echo "Please ask an administrator to run this line as root, then start again:"
    echo
    echo "  apt-get update && apt-get install -y --no-install-recommends $*"
    echo
  } >&2
}
