"""Bodies of messages that tests send."""

from __future__ import annotations

from typing import Any, Final

GOOD: Final = [[1, 2], [3, 4]]
INVERSE: Final = [[-2.0, 1.0], [1.5, -0.5]]
"""Of `GOOD`, to the last bit."""

SINGULAR: Final = [[1, 2], [2, 4]]


def job(job_id: str, matrix: Any = None, **fields: Any) -> dict[str, Any]:
    """Return a message with a good matrix, if it is given no other."""
    return {"job_id": job_id, "matrix": GOOD if matrix is None else matrix, **fields}
