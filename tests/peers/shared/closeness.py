"""How far numbers are from a peer's, and the case that shows that a comparison can fail."""
import numpy as np


def distance(got, want):
    """Largest difference over the largest magnitude; not a number where one of them is not."""
    assert got.shape == want.shape, (got.shape, want.shape)
    return float(np.abs(got - want).max() / np.abs(want).max())


def one_wrong_number(name, accepts, right, tolerance):
    """Prints PASS where `accepts(numbers)` takes `right` and refuses it once one number in the middle is off by three
    times the tolerance of the largest, or is NaN. Returns whether it failed."""
    largest = float(np.abs(right).max())
    problem = None if accepts(right.copy()) else "what is right is refused"
    for error in (3 * tolerance * largest, float("nan")):
        wrong = right.copy()
        wrong.reshape(-1)[wrong.size // 2] += error
        if accepts(wrong):
            problem = f"a number that is off by {error:.1e} is not noticed"
    return verdict(f"{name}: one wrong number is noticed", problem)


def verdict(name, problem):
    """Prints a line, and returns whether it is a failure."""
    print(f"FAIL {name}: {problem}" if problem else f"PASS {name}", flush=True)
    return bool(problem)
