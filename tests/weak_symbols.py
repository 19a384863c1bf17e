#!/usr/bin/env python3
"""Fails where an object of one instruction set defines a symbol that another object may define too.

  weak_symbols.py ARCHIVE   reads the members kernels_SET.cpp.o with nm
  weak_symbols.py --self-test

The linker keeps one copy of a weak symbol (an inline function, a template). If it kept the one that was compiled for
AVX-512, a machine without it would die. So every symbol that such an object exports must lie in its own namespace.
"""
import re
import subprocess
import sys

OWN = re.compile(r"kernels_(\w+)\.cpp\.o")


def foreign_symbols(listing):
    """Yields (set, type, name) of exported symbols outside linnet::kernels::SET; counts the sets that were seen."""
    seen, problems = set(), []
    for line in listing.splitlines():
        member = OWN.search(line)
        fields = line.split()
        if not member or len(fields) < 2:
            continue
        isa, kind, name = member.group(1), fields[-2], fields[-1]
        seen.add(isa)
        if kind.islower() and kind not in "vwu":
            continue  # local to the object
        if f"6linnet7kernels{len(isa)}{isa}" not in name:
            problems.append((isa, kind, name))
    return seen, problems


def self_test():
    good = "lib.a:kernels_avx2.cpp.o:0 D _ZN6linnet7kernels4avx28kKernelsE\nlib.a:kernels_avx2.cpp.o:0 t _ZL3foov\n"
    bad = "lib.a:kernels_avx2.cpp.o:0 W _ZSt3minIlERKT_S2_S2_\n"
    other = "lib.a:kernels_avx2.cpp.o:0 T _ZN6linnet7kernels6avx5121fEv\n"
    ok = foreign_symbols(good) == ({"avx2"}, [])
    ok = ok and all(len(foreign_symbols(good + wrong)[1]) == 1 for wrong in (bad, other))
    print("PASS weak_symbols self-test" if ok else "FAIL weak_symbols self-test")
    return 0 if ok else 1


def main():
    if sys.argv[1] == "--self-test":
        return self_test()
    listing = subprocess.run(["nm", "-A", "--defined-only", sys.argv[1]], capture_output=True, text=True, check=True)
    seen, problems = foreign_symbols(listing.stdout)
    for isa, kind, name in problems:
        print(f"FAIL kernels_{isa}.cpp.o exports {name} ({kind})")
    if not seen:
        print(f"FAIL no kernels_SET.cpp.o in {sys.argv[1]}")
    if seen and not problems:
        print("PASS " + " ".join(sorted(seen)))
    return 1 if problems or not seen else 0


if __name__ == "__main__":
    sys.exit(main())
