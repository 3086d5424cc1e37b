"""Clients of AWS, configured once for how the service uses them, and made when they are used.

They are botocore's, which are what ``boto3.client`` returns. The rest of boto3, resources and a
transfer manager, takes 26 ms of CPU to import and has no use here.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import botocore
from botocore import session
from botocore.config import Config
from botocore.exceptions import IncompleteReadError

from matinv import __version__

if TYPE_CHECKING:
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# The worker's eight threads hold four connections each while large bodies travel; of the client's
# sixteen that is so rare that the connections above 32 are closed after use instead of kept.
_CONNECTIONS: Final = 32

# S3 may think for seconds about the first byte of a large object; the others answer within 30 ms,
# and each second of silence is a second of the invocation.
_READ_TIMEOUT_S: Final = {"s3": 30, "dynamodb": 5, "sqs": 10, "sns": 3}

# A Date has whole seconds, and its answer was on its way: what differs by less is no fault of ours.
_RIGHT_S: Final = 2.0
_off_s = 0.0

_making: Final = Lock()  # botocore's session makes one client at a time


class _Client:
    """A client that is made when it is first used: 25 ms of CPU, and a small job uses one of three.

    Parameters
    ----------
    service : str
        Its name.
    bucket_owner : str or None
        See `client`.
    """

    def __init__(self, service: str, bucket_owner: str | None) -> None:
        self._service = service
        self._bucket_owner = bucket_owner
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the client itself."""
        with _making:
            if self._made is None:
                self._made = _make(self._service, self._bucket_owner)
        return getattr(self._made, name)


@overload
def client(service: Literal["s3"], bucket_owner: str | None = None) -> S3Client: ...
@overload
def client(service: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service: Literal["sqs"]) -> SQSClient: ...
@overload
def client(service: Literal["sns"]) -> SNSClient: ...
@overload
def client(service: Literal["batch"]) -> BatchClient: ...
@overload
def client(service: Literal["cloudwatch"]) -> CloudWatchClient: ...
@overload
def client(service: str) -> Any: ...
def client(service: str, bucket_owner: str | None = None) -> Any:
    """Return a client of `service`; region, credentials and endpoint are boto3's own settings.

    Nothing is made before it is used; what is wrong with those settings raises then.

    Parameters
    ----------
    service : {'s3', 'dynamodb', 'sqs', 'sns', 'batch', 'cloudwatch'}
        Its name.
    bucket_owner : str, optional
        The account that must own each bucket that a request of S3 names; else S3 answers 403. A
        name that was given up is free for anybody, and our matrices would go to who takes it.

    Notes
    -----
    Retries are botocore's standard mode: 4 attempts with full jitter, and a quota that stops
    retrying when most calls fail. (Adaptive mode also slows down the calls of all threads on the
    first throttle, for seconds; SQS's redelivery with growing delay does that better.)
    """
    return _Client(service, bucket_owner)


def now() -> float:
    """Return the seconds since the epoch, by AWS's clock where this machine's is wrong.

    A message that SQS dates after a job was cancelled is worked on, so who cancels must not write
    a time of its own. Known from the last answer of AWS; AWS itself accepts requests of clocks that
    are off by five minutes.
    """
    return time.time() + _off_s


@functools.cache
def _session() -> session.Session:
    made = session.get_session()
    log = logging.getLogger("botocore")
    if log.level == logging.NOTSET:  # at DEBUG, which an operator may give all of Lambda's loggers,
        log.setLevel(logging.INFO)  # it writes requests with their bodies and session tokens
    # Nothing here reads a time that AWS sends; dateutil would parse them for 0.1 ms each.
    parsers = made.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=str)
    return made


def _make(service: str, bucket_owner: str | None) -> Any:
    config = Config(
        connect_timeout=3,
        read_timeout=_READ_TIMEOUT_S.get(service, 10),
        max_pool_connections=_CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": 4},
        tcp_keepalive=True,
        # Presigned URLs in us-east-1 would else be of version 2, which KMS and new buckets refuse.
        signature_version="s3v4" if service == "s3" else None,
        # Each body's SHA-256 is in a header that is signed; to sign the body itself would hash it
        # once more, 0.2 s of CPU per 256 MiB.
        s3={"payload_signing_enabled": False} if service == "s3" else None,
        # Given whole: botocore would put its own together from 28 parts with each call, 0.1 ms.
        user_agent=f"matinv/{__version__} Botocore/{botocore.__version__}",
        # Calls of the worker's are built by code that the contract suites test; checking the shape
        # of a hundred records takes 9 ms of CPU, that of an object's GET 0.05. SQS calls are few
        # and repeat what users sent.
        parameter_validation=service not in {"dynamodb", "s3"},
        # Results carry their SHA-256; CRC32 in trailers would be computed on top of it.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    made = _session().create_client(service, config=config)
    made.meta.events.register("before-parse", _check_whole, "matinv-check-whole")
    made.meta.events.register("before-parse", _compare_clocks, "matinv-compare-clocks")
    if bucket_owner:
        expect = functools.partial(_expect, bucket_owner)
        made.meta.events.register("provide-client-params.s3.*", expect, "matinv-bucket-owner")
    return made


def _check_whole(operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
    """Raise if an answer was cut short: botocore would read half of an object as an empty one."""
    body, promised = response_dict["body"], response_dict["headers"].get("Content-Length")
    if not isinstance(body, bytes) or promised is None or operation_model.http["method"] == "HEAD":
        return  # a stream, chunks, which are counted, or a length that is not of the answer
    if len(body) != int(promised):
        raise IncompleteReadError(actual_bytes=len(body), expected_bytes=int(promised))


def _compare_clocks(response_dict: Mapping[str, Any], **_: object) -> None:
    """Note by how much this machine's clock is off that of AWS."""
    global _off_s  # noqa: PLW0603 - a process has one clock
    date = response_dict["headers"].get("Date")
    if date:
        ahead_s = parsedate_to_datetime(date).timestamp() + 0.5 - time.time()
        _off_s = ahead_s if abs(ahead_s) > _RIGHT_S else 0.0


def _expect(
    owner: str, params: dict[str, Any], model: Any, context: Mapping[str, Any], **_: object
) -> None:
    """Name the owner in each request that knows of owners: no call can forget it.

    Not in a presigned URL: whoever opens it would have to send the header that was signed.
    """
    if "ExpectedBucketOwner" in model.input_shape.members and "is_presign_request" not in context:
        params["ExpectedBucketOwner"] = owner
