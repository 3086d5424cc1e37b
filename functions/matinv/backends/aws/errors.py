"""AWS's errors in the service's own words, by one table at the border.

::

    ClientError        by its code: THROTTLED, ACCESS_DENIED, else STORAGE with the code in the text
    no credentials     ACCESS_DENIED
    connection, read   STORAGE

All that are ACCESS_DENIED are `Misconfigured`: nothing else than our own table, queues and buckets
is asked. Only the GET of an object may be denied by the object itself (`matinv.backends.aws.s3`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import Final

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from matinv.errors import Code, Misconfigured, Transient

_THROTTLED: Final = (
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "KmsThrottled",
    "LimitExceededException",
    "OverLimit",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingError",
    "ThrottlingException",
    "TooManyRequestsException",
    "429",
)

# Who may do what, and also where things are: both are our own configuration.
_DENIED: Final = (
    "AccessDenied",
    "AccessDeniedException",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthFailure",
    "ClientException",  # AWS Batch's one word for no permission and for no such queue
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "InvalidToken",
    "KMS",  # KMS.DisabledException and its like
    "KmsAccessDenied",
    "KMSAccessDeniedException",
    "KmsDisabled",
    "KmsInvalidKeyUsage",
    "KmsInvalidState",
    "KMSDisabledException",
    "KmsNotFound",
    "KmsOptInRequired",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotSignedUp",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnauthorizedAccess",
    "UnrecognizedClientException",
    "401",
    "403",
)
_MISSING: Final = (
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "InvalidAddress",
    "InvalidBucketName",
    "NoSuchBucket",
    "NonExistentQueue",
    "PermanentRedirect",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
    "TableNotFoundException",
    "301",
)
HINTS: Final = {
    Code.THROTTLED: "nothing to do: it is tried again later, and more slowly",
    Code.STORAGE: "nothing to do: it is tried again later",
    Code.ACCESS_DENIED: "an operator must check credentials, the role's policy and the MATINV_* "
    "settings: the table, queues and buckets that they name, and the region",
}
_STALE: Final = (
    "the local stack has ended, so the settings of this shell are stale: start `matinv local up` "
    "again, and source its new --env-file"
)
CODES: Final = {
    **dict.fromkeys(_THROTTLED, Code.THROTTLED),
    **dict.fromkeys(_DENIED, Code.ACCESS_DENIED),
    **dict.fromkeys(_MISSING, Code.ACCESS_DENIED),
}
_NO_CREDENTIALS: Final = (
    boto.CredentialRetrievalError,
    boto.MetadataRetrievalError,
    boto.NoAuthTokenError,
    boto.NoCredentialsError,
    boto.NoRegionError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.SSOError,
    boto.TokenRetrievalError,
)
# What a client raises. The last three come through while a body is read: botocore wraps only some.
FAULTS: Final = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    HTTPError,
    HTTPException,
    OSError,
)


@contextmanager
def translated(action: str) -> Iterator[None]:
    """Turn errors of boto3 in the block into `Transient`, or `Misconfigured` if denied.

    Parameters
    ----------
    action : str
        The attempt, for the message: ``reading s3://…``.

    Raises
    ------
    Transient
        THROTTLED, ACCESS_DENIED or STORAGE.
    """
    try:
        yield
    except FAULTS as error:
        raise transient(error, action) from error


def transient(error: Exception, action: str) -> Transient:
    """Return our error for an exception of boto3.

    Examples
    --------
    >>> str(transient(ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"), "reading"))
    'THROTTLED: reading failed: SlowDown'
    """
    if isinstance(error, ClientError):
        code = of_code(code_of(error), status_of(error))
        message = error.response.get("Error", {}).get("Message", "")
        found = f"{code_of(error)}: {message}" if message else code_of(error)
    else:
        code = Code.ACCESS_DENIED if isinstance(error, _NO_CREDENTIALS) else Code.STORAGE
        found = f"{type(error).__name__}: {error}"
    kind = Misconfigured if code is Code.ACCESS_DENIED else Transient
    gone = isinstance(error, boto.EndpointConnectionError) and "://127.0.0.1:" in found
    hint = _STALE if gone else HINTS[code]
    return kind(code, f"{action} failed: {found}", hint)


def of_code(code: str, status: int = 0) -> Code:
    """Return our code for AWS's error code, or for the HTTP status if it says nothing.

    Examples
    --------
    >>> of_code("AWS.SimpleQueueService.NonExistentQueue")
    <Code.ACCESS_DENIED: 'ACCESS_DENIED'>
    >>> of_code("SomethingNew", 503)
    <Code.STORAGE: 'STORAGE'>
    >>> of_code("KMS.InternalException", 500)
    <Code.STORAGE: 'STORAGE'>
    """
    family, _, last = code.rpartition(".")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        family = ""  # the key service fails; it denies nothing
    return CODES.get(last) or CODES.get(family) or CODES.get(str(status)) or Code.STORAGE


def code_of(error: ClientError) -> str:
    """Return AWS's error code; for an answer without a body its HTTP status: ``404``."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of AWS's answer, 0 if unknown."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
