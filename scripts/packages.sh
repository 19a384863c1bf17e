# shellcheck shell=bash
# The one list of Debian and Ubuntu packages, and how they are installed. Sourced by ./go and ./check.
# Every name exists in Debian 12 and in Ubuntu 24.04; docs/dependencies.md says what each library is for.

# What a build of the program needs, and pip, which fetches the models that live in Python packages.
# shellcheck disable=SC2034  # used by the scripts that source this file
linnet_build_packages=(
  ca-certificates cmake g++ ninja-build pkg-config python3 python3-pip
  libcli11-dev libcurl4-openssl-dev libedit-dev libfmt-dev libgtest-dev libpcre2-dev libpugixml-dev libssl-dev
  libutf8proc-dev libzip-dev nlohmann-json3-dev
)

# What ./check needs besides. One LLVM version for the formatter, the linter and the fuzzer.
# shellcheck disable=SC2034
linnet_check_packages=(
  ccache clang-16 clang-format-16 clang-tidy-16 fish git libclang-rt-16-dev python3-venv shellcheck tmux zsh
)

# And where arm64's code does not run, what builds and emulates it.
if [[ $(uname -m) != aarch64 ]]; then
  linnet_check_packages+=(g++-aarch64-linux-gnu qemu-user)
fi

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
  echo "Installing $# packages, which takes a minute or two: $*" >&2
  mkdir -p "$(dirname "$log")"
  # A stop in the middle of an installation leaves packages unpacked, which nothing else can follow; and a broken
  # source of other packages need not keep ours from being installed.
  "${sudo[@]}" dpkg --configure -a >"$log" 2>&1 </dev/null || true
  "${sudo[@]}" "${apt[@]}" update >>"$log" 2>&1 </dev/null || true
  "${sudo[@]}" "${apt[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null || packages_failed "$log"
}

# packages_failed LOG: shows the end of the log and ends; the commonest causes are named, with what to do.
packages_failed() {
  tail -n 5 "$1" >&2
  if grep -qE "No space left on device|don't have enough free space" "$1"; then
    echo "The disk is full: the packages need about 600 MB. Make room and start again." >&2
  elif grep -qE 'Temporary failure resolving|Could not resolve|Could not connect|Unable to connect' "$1"; then
    echo "The package servers could not be reached. See that this machine is online and start again." >&2
  elif grep -q 'Unable to locate package' "$1"; then
    echo "apt does not know them all. Linnet is made for Debian 12 and Ubuntu 24.04 (with universe enabled)." >&2
  fi
  echo "Installing the packages failed. The whole log is $PWD/$1" >&2
  exit 1
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
    echo "Linnet needs packages that are not installed."
    echo "Please run this line as root, or ask an administrator to, then start again:"
    echo
    echo "  apt-get update && apt-get install -y --no-install-recommends $*"
    echo
  } >&2
}
