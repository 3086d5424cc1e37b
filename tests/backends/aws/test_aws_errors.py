"""AWS's errors in our words."""

from __future__ import annotations

import http.client

import botocore.exceptions as boto
import pytest
import urllib3.exceptions
from botocore.exceptions import ClientError

from matinv.backends.aws.errors import translated
from matinv.errors import Code, Misconfigured, Refused, Transient


def client_error(code: str, status: int = 400, message: str = "for tests") -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        ("SlowDown", 503, Code.THROTTLED),
        ("ThrottlingException", 400, Code.THROTTLED),
        ("ProvisionedThroughputExceededException", 400, Code.THROTTLED),
        ("AWS.SimpleQueueService.OverLimit", 403, Code.THROTTLED),
        ("TooFast", 429, Code.THROTTLED),
        ("AccessDenied", 403, Code.ACCESS_DENIED),
        ("AccessDeniedException", 400, Code.ACCESS_DENIED),
        ("403", 403, Code.ACCESS_DENIED),
        ("Forbidden", 403, Code.ACCESS_DENIED),
        ("ExpiredToken", 400, Code.ACCESS_DENIED),
        ("KMS.DisabledException", 400, Code.ACCESS_DENIED),
        ("KmsOptInRequired", 403, Code.ACCESS_DENIED),
        ("KmsInvalidState", 400, Code.ACCESS_DENIED),
        ("KMS.ThrottlingException", 400, Code.THROTTLED),
        ("KMS.InternalException", 500, Code.STORAGE),
        ("NoSuchBucket", 404, Code.ACCESS_DENIED),
        ("ResourceNotFoundException", 400, Code.ACCESS_DENIED),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, Code.ACCESS_DENIED),
        ("PermanentRedirect", 301, Code.ACCESS_DENIED),
        ("InternalError", 500, Code.STORAGE),
        ("ServiceUnavailable", 503, Code.STORAGE),
        ("ValidationException", 400, Code.STORAGE),
        ("BadDigest", 400, Code.STORAGE),
        ("SomethingNew", 418, Code.STORAGE),
    ],
)
def test_codes_of_aws_have_codes_of_ours(code: str, status: int, ours: Code) -> None:
    with pytest.raises(Transient) as caught, translated("trying"):
        raise client_error(code, status)
    assert caught.value.code is ours
    assert isinstance(caught.value, Misconfigured) is (ours is Code.ACCESS_DENIED)
    assert caught.value.info.message == f"trying failed: {code}: for tests"
    assert caught.value.info.hint


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (boto.NoCredentialsError(), Code.ACCESS_DENIED),
        (boto.NoRegionError(), Code.ACCESS_DENIED),
        (boto.EndpointConnectionError(endpoint_url="http://x"), Code.STORAGE),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), Code.STORAGE),
        (boto.ReadTimeoutError(endpoint_url="http://x"), Code.STORAGE),
        (boto.ResponseStreamingError(error="cut"), Code.STORAGE),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Code.STORAGE),
        (urllib3.exceptions.SSLError("record"), Code.STORAGE),
        (http.client.IncompleteRead(b""), Code.STORAGE),
        (ConnectionResetError(104, "reset"), Code.STORAGE),
    ],
)
def test_what_never_reached_aws_is_transient(error: Exception, ours: Code) -> None:
    with pytest.raises(Transient) as caught, translated("trying"):
        raise error
    assert caught.value.code is ours
    assert caught.value.__cause__ is error


def test_our_own_errors_and_bugs_pass_unchanged() -> None:
    for error in (Refused(Code.INPUT_GONE, "gone"), KeyError("bug")):
        with pytest.raises(type(error)) as caught, translated("trying"):
            raise error
        assert caught.value is error


def test_what_aws_says_cannot_forge_a_log_line() -> None:
    with pytest.raises(Transient) as caught, translated("trying"):
        raise client_error("X", message="a\n{}" + "m" * 5000)
    assert "\n" not in caught.value.info.message
    assert len(caught.value.info.message) < 700
