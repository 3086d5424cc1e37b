"""A run: many matrices under one name, with errors as values and progress on the way."""

import sys
from collections.abc import Iterable

import numpy as np

from matinv import Client, MatinvError


def invert_run(
    matrices: Iterable[np.ndarray], run: str, client: Client
) -> tuple[dict[int, np.ndarray], dict[int, str]]:
    """Return the inverses and the errors, each by the number of its matrix."""
    inverses: dict[int, np.ndarray] = {}
    errors: dict[int, str] = {}
    found = client.map(matrices, run=run, errors="return", progress=show)
    for number, result in enumerate(found):
        if isinstance(result, MatinvError):
            errors[number] = str(result)
        else:
            inverses[number] = result
    return inverses, errors


def show(done: int, total: int | None) -> None:
    """Print how many matrices are done; the total of a generator is not known."""
    print(f"\r{done} of {total or 'many'}", end="", file=sys.stderr)


if __name__ == "__main__":
    given = [np.random.default_rng(seed).normal(size=(30, 30)) for seed in range(99)]
    given.append(np.ones((30, 30)))  # has no inverse
    inverses, errors = invert_run(given, "example", Client.connect())
    print(f"{len(inverses)} inverses; {errors}")
