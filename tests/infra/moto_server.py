"""The embedded AWS, with what `terraform apply` needs beyond what the service itself needs.

Run like `matinv.local.moto_patches.server`. moto's gaps are filled here, not worked around in the
modules.
"""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction
from moto.cloudwatch.models import Alarm
from moto.cloudwatch.responses import CloudWatchResponse
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.sqs import models as sqs

from matinv.local.moto_patches import server
from matinv.local.moto_patches import sqs as sqs_patch

_set_attributes_of_moto = sqs.Queue._set_attributes
_attribute_of_standin = sqs_patch._Attributes.__getitem__
_make_function_of_moto = LambdaFunction.__init__
_configuration_of_moto = LambdaFunction.get_configuration


def _set_attributes(queue: sqs.Queue, attributes: dict[str, Any], now: float | None = None) -> None:
    """Keep what is not mentioned: moto forgets the queue's policy. An empty text is none."""
    kept = {"Policy": queue.policy} if hasattr(queue, "_policy_json") else {}
    _set_attributes_of_moto(queue, kept | attributes, now)
    queue.redrive_allow_policy = queue.redrive_allow_policy or None


def _attribute(attributes: sqs_patch._Attributes, name: str) -> Any:
    """Write JSON as AWS does: Terraform takes blanks for a change."""
    value = _attribute_of_standin(attributes, name)
    if name == "RedrivePolicy" and value:
        return json.dumps(json.loads(value), separators=(",", ":"))
    return value


def _make_function(
    function: LambdaFunction, account_id: str, spec: dict[str, Any], *args: Any, **extra: Any
) -> None:
    """Remember the logging configuration, which moto forgets."""
    _make_function_of_moto(function, account_id, spec, *args, **extra)
    function.logging_config = spec.get("LoggingConfig")


def _configuration(function: LambdaFunction, *args: Any, **extra: Any) -> dict[str, Any]:
    answer: dict[str, Any] = _configuration_of_moto(function, *args, **extra)
    return answer | {"LoggingConfig": function.logging_config}


_create_mapping = LambdaBackend.create_event_source_mapping


def _create_mapping_once(backend: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
    """Make a mapping, or return the one that a request whose answer was lost has made.

    moto makes a second one, which Terraform does not know and leaves behind.
    """
    for mapping in backend._event_source_mappings.values():
        same_source = mapping.event_source_arn == spec["EventSourceArn"]
        if same_source and spec["FunctionName"] in mapping.function_arn:  # a name, or an ARN
            return mapping
    return _create_mapping(backend, spec)


def patch() -> None:
    """Let Terraform find what it made."""
    LambdaBackend.create_event_source_mapping = _create_mapping_once
    LambdaFunction.__init__ = _make_function
    LambdaFunction.get_configuration = _configuration
    sqs_patch._Attributes.__getitem__ = _attribute
    sqs.Queue._set_attributes = _set_attributes
    # Dropped by moto; Terraform waits for it for ever.
    sqs.Queue.BASE_ATTRIBUTES = [*sqs.Queue.BASE_ATTRIBUTES, "RedriveAllowPolicy"]
    sqs.Queue.redrive_allow_policy = None
    # Missing, though the parts are there.
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm
    Alarm.alarm_rule = property(lambda alarm: alarm.rule)
    # moto overlooks conditions, and so denies to all what is denied without TLS.
    FakeBucket.get_permission = lambda bucket, action, resource: PermissionResult.NEUTRAL
    # moto would run the image with Docker. Here `matinv.backends.aws.poller` is the mapping.
    sqs.Queue.lambda_event_source_mappings = property(lambda queue: {}, lambda queue, value: None)


if __name__ == "__main__":
    patch()
    server.main()
