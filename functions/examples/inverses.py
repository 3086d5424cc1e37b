"""A list of matrices, inverted by the service: certified, and done once however often it is run."""

from collections.abc import Iterable

import numpy as np

from matinv import Client


def inverses(matrices: Iterable[np.ndarray], client: Client) -> list[np.ndarray]:
    """Return the inverses, in order; the first matrix without one raises."""
    return list(client.map(matrices))


if __name__ == "__main__":
    # Client.connect() is the stack that the MATINV_* variables name.
    made = (np.eye(50) * k for k in range(1, 101))
    print(f"{len(inverses(made, Client.in_memory()))} inverses")
