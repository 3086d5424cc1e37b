"""What the service costs: the arithmetic behind infra/COST.md.

``PYTHONPATH=tests python tests/infra/costs.py`` writes the tables of that page anew; a test
compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from terraform_cli import INFRA

from matinv.jobs import prices
from matinv.jobs.lanes import grid, huge
from matinv.jobs.limits import predict
from support import counted_jobs

MILLION = 1e6
MONTH_S = 30 * 86_400

# What matinv.jobs.prices leaves out of one job; per million, GB, metric and month, us-east-1.
SNS_PUBLISH = 0.50e-6
LOGS_GB = 0.50
METRIC_MONTH = 0.30
ALARM_METRIC_MONTH = 0.10
COMPOSITE_MONTH = 0.50
ECR_GB_MONTH = 0.10

# Of the switches, by hour, GB, month or million.
KMS_KEY_MONTH, KMS_REQUEST = 1.00, 3e-6
ENDPOINT_HOUR, ENDPOINT_GB = 0.01, 0.01
POLLER_HOUR = 0.00925
PROVISIONED_GB_SECOND = 0.0000033334
BACKUP_RECORDS_GB, BACKUP_OBJECTS_GB = 0.10, 0.05
HTTP_API_CALL = 1e-6

BANDWIDTH = 75e6  # bytes a second between Lambda and S3, of one function, 600 Mbit/s
POLLERS = 5  # that Lambda keeps on an idle queue, each waiting 20 s for a message
CANARY_S, CANARY_MB = 3.0, 512
OWN_METRICS_OF_IDLE = 12  # those that the canary's jobs keep alive
IMAGES_GB = 0.5


@dataclass(frozen=True)
class Lane:
    """A lane as infra/service makes it."""

    memory_mb: int
    vcpus: int
    batch: int


LANES = {"standard": Lane(1769, 1, 100), "large": Lane(10240, 5, 1)}
ORDERS = (8, 64, 256, 2048)


@cache
def counted(n: int, *, together: bool = True) -> counted_jobs.Counted:
    """Return what queue, table and buckets count of a job, in a batch of a hundred if small."""
    return counted_jobs.count(n, 100 if n <= 256 else 1, together=together)


def gb_seconds(seconds: float, memory_mb: int) -> float:
    return seconds * memory_mb / 1024 * prices.LAMBDA_GB_SECOND


def seconds(n: int, lane: Lane) -> float:
    """Return a job's share of wall time.

    In a batch, reading and writing run beside the inversion, so that the slower of the two counts,
    and 20 ms of calls are shared. Alone, everything waits for everything, and 50 ms are its own.
    """
    compute = predict((n, n), np.float64).seconds
    moved = 0.0 if n == 8 else 2 * 8 * n * n / BANDWIDTH
    if lane.batch > 1:
        return max(compute, moved) + 0.0003 + 0.020 / lane.batch
    # 80 %: what of five vCPUs is left of BLAS' threads at n = 2048; small matrices use one.
    return compute / (0.8 * lane.vcpus if n >= 1024 else 1) + moved + 0.050


def job(n: int, lane: Lane, *, together: bool = True) -> dict[str, float]:
    """Return what one job costs, by service."""
    used = counted(n, together=together)
    # Send; receive and delete of ten at once. The large lane adds: forwarded, received, deleted.
    requests = used.sends + 2 / 10 + (0.1 + 2 if lane.batch == 1 else 0)
    return {
        "messages": requests * prices.SQS_REQUEST,
        "compute": prices.LAMBDA_REQUEST / lane.batch
        + gb_seconds(seconds(n, lane), lane.memory_mb),
        "records": used.write_units * prices.DYNAMODB_WRITE
        + used.read_units * prices.DYNAMODB_READ,
        "objects": used.puts * prices.S3_PUT + used.gets * prices.S3_GET,
        "events, logs": SNS_PUBLISH / 10 + 150e-9 * LOGS_GB,
    }


def jobs_table() -> Iterator[str]:
    names = list(job(8, LANES["standard"]))
    yield "| n | lane | ms | " + " | ".join(names) + " | **total** |"
    yield "|" + "---|" * (len(names) + 4)
    rows = [(n, name, True) for n in ORDERS for name in LANES]
    rows.insert(1, (8, "standard", False))
    for n, name, together in rows:
        lane = LANES[name]
        parts = job(n, lane, together=together)
        cells = [f"{MILLION * value:,.2f}" for value in parts.values()]
        total = MILLION * sum(parts.values())
        spent = f"{1000 * seconds(n, lane):,.1f}"
        order = n if together else f"{n}, sent one by one"
        yield f"| {order} | {name} | {spent} | {' | '.join(cells)} | **{total:,.2f}** |"


def idle(alarm_metrics: int) -> Mapping[str, float]:
    """Return what a month without jobs costs."""
    beats = MONTH_S / 300
    polls = 2 * POLLERS * MONTH_S / 20
    canary = job(8, LANES["standard"])
    return {
        f"alarms: {alarm_metrics} metrics at $0.10, one composite": alarm_metrics
        * ALARM_METRIC_MONTH
        + COMPOSITE_MONTH,
        f"own metrics: {OWN_METRICS_OF_IDLE} at $0.30": OWN_METRICS_OF_IDLE * METRIC_MONTH,
        f"pollers: {polls:,.0f} empty receives": polls * prices.SQS_REQUEST,
        f"canary: {beats:,.0f} runs of {CANARY_S:g} s at {CANARY_MB} MB": beats
        * (prices.LAMBDA_REQUEST + gb_seconds(CANARY_S, CANARY_MB)),
        f"its {beats:,.0f} jobs": beats * sum(canary.values()),
        f"images: {IMAGES_GB} GB in the registry": IMAGES_GB * ECR_GB_MONTH,
        "logs: 50 MB": 0.05 * LOGS_GB,
        "two dashboards: within the free three": 0.0,
    }


def idle_table(alarm_metrics: int) -> Iterator[str]:
    rows = idle(alarm_metrics)
    yield "| what | $ a month |"
    yield "|---|---|"
    for name, value in rows.items():
        yield f"| {name} | {value:,.2f} |"
    yield f"| **total** | **{sum(rows.values()):,.2f}** |"


def switches_table() -> Iterator[str]:
    hours = MONTH_S / 3600
    fargate = an_hour("Fargate, 16 vCPUs, 120 GB")
    ready = 1769 / 1024 * MONTH_S * PROVISIONED_GB_SECOND
    rows = {
        "`customer_key`": (
            KMS_KEY_MONTH,
            f"{MILLION * KMS_REQUEST:.2f} per million requests to KMS; the first two rotations add "
            f"${KMS_KEY_MONTH:.0f} a month each",
        ),
        "`network` with `cidr`: SQS and SNS in two zones": (
            2 * 2 * ENDPOINT_HOUR * hours,
            f"{ENDPOINT_GB:.2f} per GB of messages and events; S3 and DynamoDB cost nothing",
        ),
        "`standard.pollers`, `large.pollers`: each that is kept ready": (
            POLLER_HOUR * hours,
            "the same for each that Lambda adds, while it runs",
        ),
        "`api.provisioned_concurrency`: each instance, 1,769 MB": (
            ready,
            "calls cost less: 0.0000078 instead of 0.0000133 per GB and second",
        ),
        "`backup`": (
            0.0,
            f"{BACKUP_RECORDS_GB:.2f} per GB of records and month, {BACKUP_OBJECTS_GB:.2f} per GB "
            "of objects; copies as much again, and the transfer",
        ),
        "`huge`": (
            4 * ALARM_METRIC_MONTH,
            f"{fargate:.3f} per hour of each machine of Fargate while it runs; one that finds no "
            f"work {fargate * (STARTING_S + LINGER_S) / 3600:.2f}",
        ),
        "`grid`, beside `huge`": (
            4 * ALARM_METRIC_MONTH,
            f"{R8G_48XLARGE_HOUR:.3f} per hour of each r8g.48xlarge while it runs; one that finds "
            f"no work {R8G_48XLARGE_HOUR * (STARTING_S + LINGER_S) / 3600:.2f}",
        ),
        "`http_api`": (0.0, f"{MILLION * HTTP_API_CALL:.2f} per million calls; access logs"),
        "warm throughput (RUNBOOK)": (0.0, "charged once, for units above the table's own"),
    }
    yield "| switch | $ a month | and |"
    yield "|---|---|---|"
    for name, (month, use) in rows.items():
        yield f"| {name} | {month:,.2f} | {use} |"


# Machines of EC2 for `huge` and `grid`, in us-east-1: $0.9426 for the r8g.4xlarge, a quarter and a
# twelfth of them (arcee-ai/Benchmarks, results.py on Hugging Face); prices in a family go by size.
R8G_16XLARGE_HOUR = 4 * 0.9426
R8G_48XLARGE_HOUR = 12 * 0.9426
MACHINES = {
    "Fargate, 16 vCPUs, 120 GB": (huge(""), None),
    "r8g.16xlarge, 64 vCPUs, 512 GB": (
        replace(huge(""), memory_mb=500_000, threads=64),
        R8G_16XLARGE_HOUR,
    ),
    "r8g.48xlarge, 12 ranks, 192 vCPUs, 1,536 GB": (grid(""), R8G_48XLARGE_HOUR),
}
HUGE_ORDERS = (32_768, 65_536, 131_072, 262_144)
LINGER_S = 90.0  # of handlers.poller
STARTING_S = 60.0


def an_hour(name: str) -> float:
    lane, hour = MACHINES[name]
    return hour or prices.compute_usd(3600 * lane.memory_mb / 1024, lane)


def huge_table() -> Iterator[str]:
    yield "| n | matrix | " + " | ".join(MACHINES) + " |"
    yield "|---|---|" + "---|" * len(MACHINES)
    for n in HUGE_ORDERS:
        cells = []
        for name, (lane, _) in MACHINES.items():
            predicted = predict((n, n), np.float64)
            wall_s = predicted.wall_s(lane.threads)
            if lane.admits(predicted.memory_bytes, wall_s):
                usd = (wall_s + STARTING_S + LINGER_S) / 3600 * an_hour(name)
                cells.append(f"{wall_s / 3600:.1f} h, ${usd:.2f}")
            else:
                cells.append("does not fit")
        yield f"| {n:,} | {8 * n * n / 1e9:,.0f} GB | {' | '.join(cells)} |"


def page(text: str, alarm_metrics: int) -> str:
    """Return the page with its tables as they should be."""
    tables = {
        "jobs": jobs_table(),
        "idle": idle_table(alarm_metrics),
        "switches": switches_table(),
        "huge": huge_table(),
    }
    for name, rows in tables.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        table = begin + "\n".join(rows) + "\n" + end
        text = re.sub(pattern, lambda _, table=table: table, text, flags=re.DOTALL)
    return text


def alarm_metrics_of(text: str) -> int:
    """Return the number of metrics that the page was written for."""
    found = re.search(r"alarms: (\d+) metrics", text)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    import sys

    path = INFRA / "COST.md"
    written = path.read_text()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else alarm_metrics_of(written)
    path.write_text(page(written, count))
