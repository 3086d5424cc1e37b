"""The owner of a message, so that one team's hundred thousand do not delay another's ten.

SQS hands out the messages of a standard queue fairly between their message groups: while one group
has many in flight, the others go first ("Amazon SQS fair queues", developer guide). Groups need
no setting up, keep no order, and cost nothing. S3 sends its notifications without one: SQS counts
each as a group of its own, so that dropped files are not held back, nor hold back each other.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from matinv.jobs.request import Options
from matinv.jobs.runs import run_of

# What SQS takes as a MessageGroupId: alphanumeric characters and punctuation.
_GROUP: Final = "[!-~]{1,128}"


def group_of(fair_by: str, job_id: str, options: Options) -> str:
    """Return the message group of a job; empty for one without a run, or without the tag.

    Parameters
    ----------
    fair_by : str
        ``run``, ``tag:NAME`` or ``none`` (``MATINV_FAIR_BY``).
    job_id, options
        Of the job.

    Examples
    --------
    >>> group_of("run", "fem/a", Options()), group_of("tag:team", "fem/a", Options())
    ('fem', '')
    """
    kind, _, tag = fair_by.partition(":")
    names = {"run": run_of(job_id, options.run), "tag": options.tags.get(tag, "")}
    name = names.get(kind, "")
    if not name or re.fullmatch(_GROUP, name):
        return name
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
