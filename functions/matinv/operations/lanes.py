"""The lanes of a deployed stack, and which of them a job takes."""

from __future__ import annotations

from typing import Final

from matinv.jobs.limits import IDLE_BYTES, MARGIN_S, Lane, Prediction, threads_of

# As infra/service deploys them.
LANES: Final = {
    "standard": Lane(1769 * 2**20, threads_of(1769 * 2**20)),
    "large": Lane(10_240 * 2**20, threads_of(10_240 * 2**20)),
}
TIMEOUTS_S: Final = {"standard": 120.0, "large": 900.0}


def lane_of(prediction: Prediction) -> str | None:
    """Return the first lane that admits the job, None if there is none."""
    for name, lane in LANES.items():
        fits_memory = prediction.memory_bytes <= lane.memory_bytes - IDLE_BYTES
        if fits_memory and prediction.seconds / lane.threads <= TIMEOUTS_S[name] - MARGIN_S:
            return name
    return None
