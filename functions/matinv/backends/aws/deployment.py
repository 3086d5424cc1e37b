"""`Deployment` on AWS: keys, mappings, networks, what is kept ready. It only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from botocore.exceptions import ClientError

from matinv.backends.aws.errors import code_of, translated
from matinv.ports.monitor import Deployed

# What infra/service names the api's version that callers have.
_LIVE: Final = "live"

# States of an event source mapping in which it hands over messages, or soon will.
_WORKING: Final = frozenset({"Enabled", "Enabling", "Creating", "Updating"})


@dataclass(frozen=True, slots=True)
class AWSDeployment:
    """How a stack of infra/service is deployed.

    Parameters
    ----------
    client : callable
        Returns botocore's client of a service.
    stack : str
        The stack's name.
    table_name : str
        The jobs table.
    buckets, queue_urls : mapping
        Names and URLs, by what people call them; ``lanes`` are those queues that a lane serves.
    lanes : tuple of str
        Of the queues.
    """

    client: Callable[[str], Any]
    stack: str
    table_name: str
    buckets: Mapping[str, str]
    queue_urls: Mapping[str, str]
    lanes: tuple[str, ...]

    def checks(self) -> Mapping[str, Callable[[], Deployed]]:
        """Return one check for each part."""
        lanes = {f"lane {name}": partial(self._lane, name) for name in self.lanes}
        return {"keys": self._keys, "restore": self._restore, **lanes, "api": self._api}

    def _keys(self) -> Deployed:
        """Say whether all that stores is encrypted with the one key (`customer_key`)."""
        keys = {}
        with translated("looking how the stack is encrypted"):
            for name in self.queue_urls:
                keys[f"the {name} queue"] = self._attribute(name, "KmsMasterKeyId")
            table = self.client("dynamodb").describe_table(TableName=self.table_name)["Table"]
            keys["the table"] = table.get("SSEDescription", {}).get("KMSMasterKeyArn", "")
            for name, bucket in self.buckets.items():
                keys[f"the {name} bucket"] = self._bucket_key(bucket)
        by_key: dict[str, list[str]] = {}
        for part, key in keys.items():
            by_key.setdefault(key.rpartition("/")[2], []).append(part)
        said = [
            f"{', '.join(parts)} with {f'the key {key}' if key else 'keys of AWS'}"
            for key, parts in by_key.items()
        ]
        if len(by_key) > 1:
            return Deployed(
                f"{'; '.join(said)}: deploy again, see scripts/plan --drift", wrong=True
            )
        (key,) = by_key
        return Deployed(f"everything with the key {key}" if key else "everything with keys of AWS")

    def _bucket_key(self, bucket: str) -> str:
        try:
            answer = self.client("s3").get_bucket_encryption(Bucket=bucket)
        except ClientError as error:
            if code_of(error) == "ServerSideEncryptionConfigurationNotFoundError":
                return ""
            raise
        (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
        return str(rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", ""))

    def _restore(self) -> Deployed:
        """Say whether the table can be restored."""
        with translated("looking at the table's backups"):
            answer = self.client("dynamodb").describe_continuous_backups(TableName=self.table_name)
        status = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        on = status["PointInTimeRecoveryStatus"] == "ENABLED"
        return Deployed(
            "the table can be restored to any second of the last 35 days"
            if on
            else "the table has no point-in-time recovery"
        )

    def _lane(self, name: str) -> Deployed:
        """Say whether a lane's function takes messages, and of `pollers` and `network`."""
        with translated(f"looking at the lane {name}"):
            arn = self._attribute(name, "QueueArn")
            answer = self.client("lambda").list_event_source_mappings(EventSourceArn=arn)
            if not answer["EventSourceMappings"]:
                return Deployed("no Lambda function takes its messages: another machine does")
            mapping = answer["EventSourceMappings"][0]
            function = self.client("lambda").get_function(FunctionName=mapping["FunctionArn"])
        worker = function["Configuration"]
        if mapping["State"] not in _WORKING:
            start = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']} --enabled"
            return Deployed(f"its mapping is {mapping['State']}: {start}", wrong=True)
        for status, reason in (
            ("State", "StateReason"),
            ("LastUpdateStatus", "LastUpdateStatusReason"),
        ):
            if worker.get(status) == "Failed":
                why = worker.get(reason, "AWS says no reason")
                return Deployed(f"{worker['FunctionName']} has failed: {why}", wrong=True)
        said = [f"{worker['FunctionName']} takes its messages"]
        if pollers := mapping.get("ProvisionedPollerConfig"):
            said.append(f"{pollers['MinimumPollers']} to {pollers['MaximumPollers']} pollers")
        if subnets := worker.get("VpcConfig", {}).get("SubnetIds"):
            said.append(f"in a network of {len(subnets)} subnets")
        return Deployed(", ".join(said))

    def _api(self) -> Deployed:
        """Say of how many of the api's instances are kept ready (`provisioned_concurrency`)."""
        name = f"{self.stack}-api"
        with translated("looking at the api"):
            try:
                self.client("lambda").get_function(FunctionName=name)
                found = self.client("lambda").get_provisioned_concurrency_config(
                    FunctionName=name, Qualifier=_LIVE
                )
            except ClientError as error:
                if code_of(error) == "ProvisionedConcurrencyConfigNotFoundException":
                    return Deployed("no instances are kept ready")
                if code_of(error) == "ResourceNotFoundException":
                    return Deployed(f"there is no function {name}")
                raise
        ready = found.get("AvailableProvisionedConcurrentExecutions", 0)
        asked = found["RequestedProvisionedConcurrentExecutions"]
        if found["Status"] == "FAILED":
            why = found.get("StatusReason", "AWS says no reason")
            return Deployed(f"{asked} instances should be kept ready, but: {why}", wrong=True)
        return Deployed(f"{ready} of {asked} instances are kept ready")

    def _attribute(self, queue: str, name: str) -> str:
        answer = self.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_urls[queue], AttributeNames=[name]
        )
        return str(answer.get("Attributes", {}).get(name, ""))
