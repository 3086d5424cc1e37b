"""The composition root: settings, clients and adapters, made once and only when asked for."""

from __future__ import annotations

import functools
import gc
import os
import platform
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from matinv import __version__
from matinv import settings as environment_of
from matinv.backends.aws import clients
from matinv.backends.aws.dynamodb import DynamoDBTable
from matinv.backends.aws.errors import translated
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.backends.aws.sqs import SQSQueue
from matinv.pipeline import App
from matinv.ports import ApiBackend, Backend, Capacity, JobEvents
from matinv.settings import DAY_S, Settings

if TYPE_CHECKING:
    from matinv.backends.aws.event_source import Invoke, Polling
    from matinv.backends.aws.poller import Poller
    from matinv.grid.launch import Launcher
    from matinv.jobs.lanes import Lane
    from matinv.ports.monitor import Deployment, Monitor


@functools.cache
def app() -> App:
    """Return this process's service, built from its environment.

    Raises
    ------
    SettingsError
        If the environment lacks names.
    BrokenArithmeticError
        If this machine computes wrongly: it must not serve.
    """
    from matinv.linalg import self_test  # noqa: PLC0415 - clients, which invert nothing, need none

    self_test.check_numpy()
    built = app_from(Settings.from_environment())
    # What start-up made lives as long as the process: 130,000 objects, mostly botocore's, that
    # each full collection would look through again.
    gc.freeze()
    return built


def app_from(settings: Settings) -> App:
    """Build a service on AWS's clients."""
    topic_arn, service = settings.events_topic_arn, backend(settings)
    return App(
        service.store,
        service.table,
        service.queue,
        inputs_bucket=settings.inputs_bucket,
        lane=settings.lane,
        inline_result_bytes=settings.inline_result_bytes,
        retention_s=settings.retention_days * DAY_S,
        engine=engine(settings.lane.threads),
        fair_by=settings.fair_by,
        now=time.time,
        jitter=random.random,
        events=events(topic_arn) if topic_arn else None,
        capacity=capacity(settings.lane),
        ranks=ranks(settings.lane),
    )


def events(topic_arn: str) -> JobEvents:
    """Return the topic that hears of jobs."""
    from matinv.backends.aws.sns import SNSEvents  # noqa: PLC0415 - 2 ms, for those who have a topic

    return SNSEvents(clients.client("sns"), topic_arn)


def capacity(first: Lane) -> Capacity | None:
    """Return the machines of the lanes that have a ticket, None if none has."""
    if not any(lane.ticket for lane in first):
        return None
    from matinv.backends.aws.batch import BatchCapacity  # noqa: PLC0415 - few stacks have such a lane

    return BatchCapacity(clients.client("batch"))


def ranks(lane: Lane) -> Launcher | None:
    """Return the launcher of a lane's ranks, None if it has none.

    Raises
    ------
    Misconfigured
        If this machine has no MPI.
    """
    if not lane.ranks:
        return None
    from matinv.grid import launch, mpi  # noqa: PLC0415 - few lanes have ranks
    from matinv.grid.nodes import Nodes  # noqa: PLC0415 - likewise

    nodes = Nodes.of(environment_of.environment())
    own = mpi.MPICH if nodes else mpi.installed()
    threads = str(max(1, lane.threads // lane.ranks))
    environment = {
        **environment_of.environment(),
        **own.environment,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OPENBLAS_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }
    if nodes:
        environment |= nodes.environment()
        command = nodes.command(lane.ranks)
        return launch.Launcher(command, lane.ranks, environment, nodes.count)
    return launch.Launcher(own.command(lane.ranks), lane.ranks, environment)


def now() -> float:
    """Return the seconds since the epoch, by AWS's clock where this machine's is wrong."""
    return clients.now()


def engine(threads: int) -> Mapping[str, str]:
    """Return the engine's description: version, numpy, BLAS, architecture, threads."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "version": __version__,
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "arch": platform.machine(),
        "threads": str(threads),
    }


def backend(settings: Settings) -> Backend:
    """Return the stack on AWS, for a worker: what watches it is left out."""
    return Backend(
        store(settings),
        DynamoDBTable(clients.client("dynamodb"), settings.jobs_table),
        SQSQueue(clients.client("sqs"), settings.jobs_queue_url, settings.dlq_url),
    )


def store(settings: Settings) -> S3Store:
    """Return the buckets alone, for a rank."""
    return S3Store(
        clients.client("s3", settings.account_id),
        settings.inputs_bucket,
        settings.results_bucket,
        Pieces.of_machine(settings.lane.threads),
        bucket_owner=settings.account_id,
    )


def watched_backend(settings: Settings) -> Backend:
    """Return the stack on AWS, for `matinv.client.Client`."""
    return replace(
        backend(settings),
        monitor=monitor(settings),
        capacity=capacity(settings.lane),
        deployment=deployment(settings),
    )


def poller(queue_url: str, invoke: Invoke, polling: Polling) -> Poller:
    """Return a poller, which calls a function with the messages of a queue.

    Raises
    ------
    Transient
        If the queue cannot be reached.
    """
    from matinv.backends.aws.poller import Poller  # noqa: PLC0415 - Lambda polls for its functions

    with translated(f"looking at {queue_url}"):
        return Poller(clients.client("sqs"), queue_url, invoke, polling)


def api_backend(url: str) -> ApiBackend:
    """Return the service behind the HTTP API at a URL, for `matinv.client.Client`."""
    from matinv.backends.http import backend  # noqa: PLC0415 - for those who have no other way

    return backend.backend(url)


def monitor(settings: Settings) -> Monitor:
    """Return the stack's monitor, for `matinv.client.Client`."""
    from matinv.backends.aws.cloudwatch import AWSMonitor  # noqa: PLC0415 - no function looks at itself
    from matinv.ports.monitor import DEAD  # noqa: PLC0415 - likewise

    urls = {lane.name: lane.queue_url for lane in settings.lane} | {DEAD: settings.dlq_url}
    return AWSMonitor(clients.client("sqs"), clients.client("cloudwatch"), urls, settings.stack)


def deployment(settings: Settings) -> Deployment:
    """Return what tells how the stack is deployed, for `matinv doctor`."""
    from matinv.backends.aws.deployment import AWSDeployment  # noqa: PLC0415 - as above
    from matinv.ports.monitor import DEAD  # noqa: PLC0415 - likewise

    lanes = {lane.name: lane.queue_url for lane in settings.lane}
    return AWSDeployment(
        clients.client,
        settings.stack,
        settings.jobs_table,
        {"inputs": settings.inputs_bucket, "results": settings.results_bucket},
        {**lanes, DEAD: settings.dlq_url},
        tuple(lanes),
    )
