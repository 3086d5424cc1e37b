"""The same in a program on asyncio, with errors as values: the loop goes on meanwhile."""

import asyncio
from collections.abc import Iterable

import numpy as np

from matinv import Client, MatinvError


async def traces(matrices: Iterable[np.ndarray], client: Client) -> list[float | str]:
    """Return the trace of each inverse, or why there is none."""
    return [
        str(inverse) if isinstance(inverse, MatinvError) else float(inverse.trace())
        async for inverse in client.aio.map(matrices, errors="return")
    ]


if __name__ == "__main__":
    given = [np.eye(3), np.ones((3, 3)), 2 * np.eye(3)]
    for line in asyncio.run(traces(given, Client.in_memory())):
        print(line)
