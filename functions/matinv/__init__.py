"""Batch matrix inversion on AWS: a matrix goes in, its inverse comes out with a certificate.

Importing this package loads nothing else: numpy and botocore, 0.3 s, come with the first name that
is asked for. The stub beside this file says the same to type checkers.

Examples
--------
>>> from matinv import Client
>>> Client.in_memory().submit([[1, 2], [3, 4]]).result()
array([[-2. ,  1. ],
       [ 1.5, -0.5]])
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "Client": "matinv.client",
    "ClientError": "matinv.client",
    "Code": "matinv.errors",
    "Job": "matinv.client",
    "JobFailed": "matinv.client",
    "JobPartial": "matinv.client",
    "MatinvError": "matinv.errors",
    "Method": "matinv.linalg.types",
    "NotFinished": "matinv.client",
    "NotFound": "matinv.client",
    "NotVerified": "matinv.client",
    "Refused": "matinv.errors",
    "Status": "matinv.jobs.record",
    "Superseded": "matinv.client",
    "TimedOut": "matinv.client",
    "Transient": "matinv.errors",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - each of them a string


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the names, for completion."""
    return sorted(__all__)
