"""A machine of the lane grid: alone, or one of several of a multi-node job of AWS Batch.

``python -m matinv.handlers.node`` is the poller (`matinv.handlers.poller`) where the machine is the
main one, or the only one. The others offer themselves to it for rank after rank, and end when Batch
ends them, as it does when the main one has ended.
"""

from __future__ import annotations

import sys

from matinv import processes, settings
from matinv.grid.nodes import Nodes
from matinv.handlers import poller


def main() -> int:
    """Serve as the environment says, and return the exit code."""
    nodes = Nodes.of(settings.environment())
    if nodes is None or nodes.number == 0:
        return poller.main()
    nodes.serve(processes.stop_event().is_set)
    return 0


if __name__ == "__main__":
    sys.exit(main())
