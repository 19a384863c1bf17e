#!/usr/bin/env python3
"""compare_recordings.py COMMITTED REMADE: exits 0 when two recordings say the same.

Bytes must be equal, but for floating-point numbers in .safetensors (within 1e-5 of the tensor's largest magnitude) and
.json, .jsonl (within 1e-5): another processor sums in another order. Needs numpy and safetensors for .safetensors only.
"""
import json
import math
import sys
from pathlib import Path

TOLERANCE = 1e-5


def json_difference(a, b, place="$"):
    """Where two JSON values differ, or None."""
    if isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b):
            return f"{place}: keys {sorted(set(a) ^ set(b)) or 'in another order'}"
        pairs = [(a[key], b[key], f"{place}.{key}") for key in a]
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{place}: {len(a)} and {len(b)} elements"
        pairs = [(x, y, f"{place}[{i}]") for i, (x, y) in enumerate(zip(a, b))]
    elif isinstance(a, float) and isinstance(b, float):
        close = a == b or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        return None if close else f"{place}: {a} and {b}"
    else:
        return None if type(a) is type(b) and a == b else f"{place}: {a!r} and {b!r}"
    return next(filter(None, (json_difference(*pair) for pair in pairs)), None)


def tensor_difference(left, right):
    import numpy as np
    from safetensors.numpy import load_file
    a, b = load_file(left), load_file(right)
    if a.keys() != b.keys():
        return f"tensors {sorted(a.keys() ^ b.keys())}"
    for name in a:
        x, y = a[name], b[name]
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"{name}: {x.dtype}{x.shape} and {y.dtype}{y.shape}"
        if np.issubdtype(x.dtype, np.integer) or x.dtype == bool:
            if not np.array_equal(x, y):
                return f"{name}: integers differ"
        elif x.size:
            far = float(np.max(np.abs(x.astype(np.float64) - y.astype(np.float64))))
            limit = TOLERANCE * float(np.max(np.abs(x.astype(np.float64))))
            if not far <= limit:
                return f"{name}: differs by {far:.3g}, more than {limit:.3g}"
    return None


def difference(left, right):
    if not left.exists():
        return "is not committed"
    if left.read_bytes() == right.read_bytes():
        return None
    if left.suffix == ".safetensors":
        return tensor_difference(left, right)
    if left.suffix == ".json":
        return json_difference(json.loads(left.read_text()), json.loads(right.read_text()))
    if left.suffix == ".jsonl":
        return json_difference(*([json.loads(line) for line in path.read_text().splitlines()] for path in (left, right)))
    return "bytes differ"


def main():
    left, right = map(Path, sys.argv[1:3])
    found = difference(left, right)
    if found:
        print(f"{left}: {found}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
