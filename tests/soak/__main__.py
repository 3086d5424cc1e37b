"""Run the soak: ``scripts/soak [--jobs N] [--victims K] [--seed S] [--readme]``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matinv.local.stack import Shape, Stack
from soak.account import Account, settle
from soak.orders import Order, orders
from soak.workers import Usage, usage, working

# moto takes 45 s to hand out a message when a thousand wait.
DEPTH: Final = 120
LOOK_S: Final = 0.05
VISIBILITY_S: Final = 5

BACKLOG: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

# What caches and the allocator may still take in the second half. A leak of 5 KB for each of 5,000
# jobs would show.
GROWTH_MB: Final = 24
GROWTH_DESCRIPTORS: Final = 8

# No progress for so long: something is lost, or hangs.
PATIENCE_S: Final = 120.0

_README: Final = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- generated: soak -->\n", "<!-- end: soak -->"


@dataclass(frozen=True, slots=True)
class Soak:
    """What was done, what was found, and what the survivor held half-way and in the end."""

    jobs: int
    seconds: float
    kills: int
    early: Usage
    late: Usage
    account: Account


def soak(count: int, victims: int, seed: int) -> Soak:
    """Send jobs, kill workers, wait until the queue is empty, and settle the account."""
    begun = time.monotonic()
    with Stack.start(Shape(visibility_s=VISIBILITY_S)) as stack:
        sent = list(orders(count, stack.settings.inputs_bucket, seed))
        env = stack.process_environment(os.environ)
        with working(env, victims, seed) as (survivor, hunted):
            early, late = Sender(stack).send_all(sent, survivor)
        seconds = time.monotonic() - begun
        kills = sum(victim.kills for victim in hunted)
        return Soak(count, seconds, kills, early, late, settle(stack, sent))


class Sender:
    """Sends orders as fast as they are done.

    Parameters
    ----------
    stack : Stack
        Where to.
    """

    def __init__(self, stack: Stack) -> None:
        self._s3, self._sqs = stack.client("s3"), stack.client("sqs")
        self._url, self._bucket = stack.settings.jobs_queue_url, stack.settings.inputs_bucket

    def send_all(self, sent: Sequence[Order], survivor: int) -> tuple[Usage, Usage]:
        """Send orders until all are done; return what a process held early and late."""
        early = usage(survivor)
        for number, order in enumerate(sent):
            if number % 20 == 0:
                self._wait_below(DEPTH)
            if number == len(sent) // 2:
                early = usage(survivor)
            for _ in range(order.copies):
                self._send(order)
            if number % 1000 == 999:
                sys.stderr.write(f"{number + 1} sent\n")
        self._wait_below(1)
        return early, usage(survivor)

    def _send(self, order: Order) -> None:
        if order.key:
            self._s3.put_object(Bucket=self._bucket, Key=order.key, Body=order.content)
        else:
            self._sqs.send_message(QueueUrl=self._url, MessageBody=order.content.decode())

    def _wait_below(self, depth: int) -> None:
        """Wait until fewer than so many messages wait or are being worked on."""
        end = time.monotonic() + PATIENCE_S
        while (left := self._backlog()) >= depth:
            if time.monotonic() > end:
                message = f"{left} messages are still in the queue after {PATIENCE_S:g} s"
                raise TimeoutError(message)
            time.sleep(LOOK_S)

    def _backlog(self) -> int:
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        attributes: Mapping[Any, str] = answer["Attributes"]
        return sum(int(attributes[name]) for name in BACKLOG)


def faults(done: Soak) -> list[str]:
    """Return the promises that were broken."""
    found = list(done.account.faults)
    grown_mb = done.late.memory_mb - done.early.memory_mb
    if grown_mb > GROWTH_MB:
        found.append(f"the worker's memory grew by {grown_mb:.0f} MB, more than {GROWTH_MB}")
    more = done.late.descriptors - done.early.descriptors
    if more > GROWTH_DESCRIPTORS:
        found.append(f"the worker has {more} more open files, more than {GROWTH_DESCRIPTORS}")
    return found


def table(done: Soak) -> str:
    """Return the figures for tests/README.md."""
    account, early, late = done.account, done.early, done.late
    rows = {
        "jobs sent, of twelve kinds": f"{done.jobs}, in {done.seconds:.0f} s",
        "workers killed with `kill -9`": f"{done.kills}",
        "jobs lost": f"{account.lost}",
        "ended as": _counted(account.statuses),
        "reasons of the failed ones": _counted(account.codes),
        "receives that jobs took": _counted(account.attempts),
        "published objects, each named by one record": f"{account.objects}",
        "dead letters, each with its reason": f"{account.letters}",
        "of them sent twice by workers killed in between": f"{account.letters_twice}",
        "memory of the worker that lived on, half-way and in the end": (
            f"{early.memory_mb:.0f} MB, {late.memory_mb:.0f} MB"
        ),
        "its open files": f"{early.descriptors}, {late.descriptors}",
    }
    lines = [f"| {name} | {figure} |" for name, figure in rows.items()]
    return "\n".join(["| what | figure |", "|---|---|", *lines, ""])


def _counted(counter: Mapping[Any, int]) -> str:
    return ", ".join(f"{counter[key]} {key}" for key in sorted(counter))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, print its figures, return 1 if a promise was broken."""
    options = _options(arguments)
    done = soak(options.jobs, options.victims, options.seed)
    broken = faults(done)
    sys.stdout.write(table(done))
    for fault in broken[:20]:
        sys.stderr.write(f"soak: {fault}\n")
    if options.readme and not broken:
        before, rest = _README.read_text().split(BEGIN)
        _README.write_text(before + BEGIN + table(done) + rest[rest.index(END) :])
    return 1 if broken else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Send mixed jobs through the local stack while workers are killed at random, "
        "then account for every job, object and dead letter. The exit code is 1 if one is lost, "
        "doubled or wrong, or if memory or open files grow.",
    )
    parser.add_argument("--jobs", type=int, default=10_000, help="how many [10000]")
    parser.add_argument("--victims", type=int, default=1, help="workers that are killed [1]")
    parser.add_argument("--seed", type=int, default=2026, help="of jobs and kills [2026]")
    parser.add_argument("--readme", action="store_true", help="also write tests/README.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
