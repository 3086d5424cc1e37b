"""Row 10: from a fresh interpreter to the first answer."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from bench import published
from bench.checks import WrongError, check_inverse
from bench.jobs import Batch, Jobs
from bench.lab import Lab
from bench.measure import Effort, Side, take_turns
from bench.table import Limit, Row, at_most

# Lambda's context with the fewest imports of its own; the service's log is no answer.
_OURS: Final = """
import json, sys
from matinv.handlers.worker import handler

class Context:
    aws_request_id = "cold"
    memory_limit_in_mb = "1769"

    def get_remaining_time_in_millis(self):
        return 60_000

answer = handler(json.load(sys.stdin), Context())
print(json.dumps({"answer": answer, "scipy": "scipy" in sys.modules}))
"""
_PEER: Final = """
import json, sys
import numpy, boto3

json.load(sys.stdin)
clients = [boto3.client(name) for name in ("s3", "dynamodb", "sqs")]
print(json.dumps({"answer": {"batchItemFailures": []}, "scipy": "scipy" in sys.modules}))
"""


def first_answer(lab: Lab) -> Iterator[Row]:
    """Row 10: CPU of a process that answers one message, and of one that makes the clients."""
    jobs = Jobs.of(lab)

    scipy: set[bool] = set()

    def check(batch: Batch, answer: dict[str, Any]) -> None:
        _check(answer)
        scipy.add(answer["scipy"])
        for job_id, x in published.inverses(lab.stack, list(batch.matrices)):
            check_inverse(batch.matrices[job_id], x)

    def one() -> Batch:
        return jobs.messages(1, 2)

    ours, peer = take_turns(
        Effort(lab.pick(15, 5), 0),
        Side(lambda batch: _started(_OURS, batch), one, check),
        Side(lambda batch: _started(_PEER, batch), one, lambda _, answer: _check(answer)),
        typical=statistics.median,
        clock=_children_s,
    )
    work = "cold start to the first answer, CPU [ms]"
    limit = Limit("imports of scipy", float(True in scipy), at_most(0))
    yield Row(10, work, 1e3 * ours, 1e3 * peer, ours / peer, at_most(1.2), limit)


def _started(source: str, batch: Batch) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", source],
        input=json.dumps(batch.events[0]),
        stdout=subprocess.PIPE,
        env=os.environ,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _check(answer: dict[str, Any]) -> None:
    if answer["answer"] != {"batchItemFailures": []}:
        message = f"a cold start answered {answer}"
        raise WrongError(message)


def _children_s() -> float:
    """Return the CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
