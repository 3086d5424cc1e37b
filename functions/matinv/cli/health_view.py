"""One frame of `matinv top`, with rich."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import floor, log10
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from matinv.errors import printable
from matinv.operations.health import Health
from matinv.operations.throughput import Bucket, Flow
from matinv.ports.monitor import Alarm, State

_BARS: Final = " ▁▂▃▄▅▆▇█"
_STYLES: Final = {State.ALARM: "bold red", State.INSUFFICIENT_DATA: "yellow", State.OK: "green"}
_UNKNOWN: Final = "?"
_TITLE: Final = 6  # columns before the bars


def show(health: Health) -> None:
    """Print a frame to stdout: in colours on a terminal, as plain text in a pipe."""
    console = Console()
    console.print(frame(health, console.width))


@contextmanager
def live() -> Iterator[Callable[[Health], None]]:
    """Take the screen for the length of the block, and give it a function that draws a frame."""
    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as screen:
        yield lambda health: screen.update(frame(health, console.width), refresh=True)


def frame(health: Health, width: int) -> Group:
    """Return all that is known, for a terminal of so many columns."""
    title = Text(f"{health.stack or 'HTTP API'}  ", style="bold", no_wrap=True, overflow="ellipsis")
    title.append(health.at.replace("T", " ")[:19] + " UTC", style="dim")
    parts: list[RenderableType] = [title, _lanes(health), _dead(health)]
    parts += _alarms(health.alarms)
    if health.flow:
        parts += _flow(health.flow, width)
    found = health.duplicates
    repeated = f"{found.count:,} of {found.deliveries:,} deliveries" if found else _UNKNOWN
    parts.append(Text(f"duplicates {repeated}"))
    if health.failures:
        parts.append(Text("last failures"))
    for failure in health.failures:
        at = failure.at.replace("T", " ")[:19]
        parts.append(_line(f"  {at} {failure.job_id} {failure.code}: {failure.message}", ""))
    if health.pending:
        parts.append(_line(f"still to answer: {', '.join(health.pending)}", "dim"))
    parts += [
        _line(f"unknown: {unknown.part}: {unknown.error.message}", "yellow")
        for unknown in health.unknown
    ]
    return Group(*parts)


def _lanes(health: Health) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("lane")
    for title in ("waiting", "working", "delayed", "oldest"):
        table.add_column(title, justify="right")
    for lane in health.lanes:
        numbers = (lane.waiting, lane.working, lane.delayed)
        shown = [_UNKNOWN if number is None else f"{number:,}" for number in numbers]
        empty = lane.waiting == lane.working == lane.delayed == 0
        table.add_row(lane.name, *shown, "-" if empty else _duration(lane.oldest_s))
    return table


def _dead(health: Health) -> Text:
    dead, text = health.dead_letters, Text("dead letters ")
    if dead:
        text.append(f"{dead:,}", style="bold red").append("  see: matinv dlq list", style="dim")
    else:
        text.append(_UNKNOWN if dead is None else "0")
    if health.eta_s is not None:
        eta = f"about {_duration(health.eta_s)}" if health.eta_s else "- (there is none)"
    else:
        eta = "? (nothing moves)" if health.backlog and health.flow else _UNKNOWN
    return text.append("\nbacklog ends in ").append(eta)


def _alarms(alarms: Sequence[Alarm] | None) -> Iterator[Text]:
    if not alarms:
        yield Text("alarms " + (_UNKNOWN if alarms is None else "none in this stack"))
        return
    states = [alarm.state for alarm in alarms]
    text = Text("alarms ")
    for state, words in zip(_STYLES, ("firing", "without data", "OK"), strict=True):
        number = states.count(state)
        text.append(f"{number} {words}  ", style=_STYLES[state] if number else "dim")
    yield text
    for alarm in alarms:
        if alarm.state is State.ALARM:
            since = alarm.since.replace("T", " ")[:16]
            pages = " (pages)" if alarm.pages else ""
            yield _line(f"  {alarm.name}{pages} since {since}: {alarm.why}", "red")


def _flow(flow: Flow, width: int) -> Iterator[Text]:
    since = flow.since[11:19] + ("" if flow.complete else ", the latest")
    text = Text(f"jobs since {since}: {flow.ended:,} ended, ")
    text.append(f"{flow.failed:,} failed", style="red" if flow.failed else "")
    yield text.append(f", now {flow.per_s:.3g} per second")
    latest = flow.buckets[-max(1, width - _TITLE) :]
    yield _bars("ended", latest, lambda bucket: bucket.ended)
    yield _bars("p95", latest, lambda b: b.latency_ms.p95 if b.latency_ms else 0.0)
    if flow.latency_ms:
        of = flow.latency_ms
        yield Text(f"latency p50 {_ms(of.p50)}, p95 {_ms(of.p95)}, p99 {_ms(of.p99)}")
        halves = (f"{name} {_ms(half.p50)}" for name, half in flow.phases_ms.items())
        yield Text("  of half of the jobs: " + ", ".join(halves), style="dim")
    if flow.read < flow.ended:
        yield Text(f"  latency and cost of the latest {flow.read:,}", style="dim")
    cost = flow.cost
    each = "" if cost.per_job_usd is None else f", {_usd(cost.per_job_usd)} per job"
    yield Text(f"cost {_usd(cost.total_usd)}{each}")


def _bars(title: str, buckets: Sequence[Bucket], value: Callable[[Bucket], float]) -> Text:
    """Return a bar per bucket, red where jobs failed; a bar that is not empty is seen."""
    text = Text(title.ljust(_TITLE), style="dim", no_wrap=True, overflow="crop")
    highest = max(map(value, buckets))
    for bucket in buckets:
        share = value(bucket) / highest if highest else 0.0
        bar = _BARS[max(round(share * (len(_BARS) - 1)), share > 0)]
        text.append(bar, style="red" if bucket.failed else "cyan")
    return text


def _line(text: str, style: str) -> Text:
    """Return foreign text on one line, cut where the terminal ends."""
    return Text(printable(text), style=style, no_wrap=True, overflow="ellipsis")


def _duration(seconds: float | None) -> str:
    """Return a length of time.

    Examples
    --------
    >>> _duration(0.2), _duration(75), _duration(7300), _duration(200_000)
    ('1 s', '75 s', '122 min', '55.6 h')
    """
    if seconds is None:
        return _UNKNOWN
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.1f} h"


def _ms(milliseconds: float) -> str:
    """Return a short time.

    Examples
    --------
    >>> _ms(0.25), _ms(340), _ms(12_345)
    ('0.25 ms', '340 ms', '12.3 s')
    """
    if milliseconds < 1000:
        return f"{milliseconds:.3g} ms"
    return f"{milliseconds / 1000:.3g} s" if milliseconds < 1e6 else _duration(milliseconds / 1000)


def _usd(dollars: float) -> str:
    """Return a price, to two digits if it is below a cent.

    Examples
    --------
    >>> _usd(0), _usd(12.345), _usd(0.0000037)
    ('$0', '$12.35', '$0.0000037')
    """
    if not dollars:
        return "$0"
    return f"${dollars:,.2f}" if dollars >= 0.01 else f"${dollars:.{1 - floor(log10(dollars))}f}"
