"""The benchmark measures what it says, and notices what is wrong; its figures are not judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import codecs, coldstart, jobs, kernels, memory, proven, ranks, threads
from bench.__main__ import BEGIN, END, ROWS, main
from bench.checks import WrongError, check_inverse, check_same
from bench.jobs import counted_calls
from bench.measure import Effort, Side, take_turns
from bench.peers import PlainHandler
from bench.table import COLUMNS, Limit, Row, at_least, at_most, markdown
from matinv.local.samples import npy_bytes
from matinv.testing.events import s3_notification, sqs_event
from support.memory_service import general

README = (Path(__file__).parent / "bench" / "README.md").read_text()
TWO = np.array([[1.0, 2.0], [3.0, 4.0]])


def row(**fields: Any) -> Row:
    return Row(**{"row": 1, "work": "w", "ours": 1.0, "peer": 3.0, "ratio": 3.0, **fields})


@pytest.mark.deep
def test_a_quick_run_of_one_row_writes_it_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.json"
    assert main(["--quick", "--row", "6", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    assert [found["row"] for found in rows] == [6, 6, 6]
    for found in rows:
        assert list(found) == ["row", "work", "ours", "peer", "ratio", "reach", "limit", "ok"]
        assert found["ratio"] == pytest.approx(found["peer"] / found["ours"])
        assert found["ok"] is (found["ratio"] >= found["reach"])
    assert capsys.readouterr().out.count("JSON text to array") == 3


def test_every_measurement_is_in_one_row() -> None:
    found = [
        function
        for module in (codecs, coldstart, jobs, kernels, memory, proven, ranks, threads)
        for name, function in vars(module).items()
        if not name.startswith("_")
        and getattr(function, "__annotations__", {}).get("return") == "Iterator[Row]"
    ]
    shown = [function for row in ROWS.values() for function in row]
    assert sorted(map(repr, shown)) == sorted(map(repr, found))


def test_readme_shows_all_rows_and_the_machine() -> None:
    table, machine = README.split(BEGIN)[1].split(END)[0].rstrip().split("\n\n")
    head, _, *lines = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()]
    assert tuple(head) == COLUMNS
    assert {int(line[0]) for line in lines} == set(ROWS)
    assert "numpy" in machine
    assert "OpenBLAS" in machine


@pytest.mark.parametrize(
    ("fields", "ok"),
    [
        ({}, True),
        ({"reach": at_least(3)}, True),
        ({"reach": at_least(3.1)}, False),
        ({"reach": at_most(2)}, False),
        ({"reach": at_most(2, of_ours=True)}, True),
        ({"limit": Limit("of GEMM's rate", 0.5)}, True),
        ({"limit": Limit("of GEMM's rate", 0.5, at_least(0.6))}, False),
        ({"reach": at_least(3.1), "limit": Limit("calls", 1, at_most(1))}, False),
        ({"ratio": np.nan, "reach": at_most(2)}, False),
    ],
)
def test_a_row_is_ok_if_all_that_is_asked_of_it_is_reached(
    fields: dict[str, Any], ok: bool
) -> None:
    assert row(**fields).ok is ok


def test_the_table_has_a_line_for_each_row() -> None:
    limit = Limit("of GEMM's rate", 0.5, at_least(0.6))
    head, rule, line = markdown([row(ours=1234.5, reach=at_least(2), limit=limit)]).splitlines()
    assert len(head) == len(rule) == len(line)
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        *("1", "w", "1234", "3", "3", "≥ 2", "0.5 of GEMM's rate (≥ 0.6)", "**no**"),
    ]


def test_a_wrong_inverse_is_noticed() -> None:
    a = general(8)
    x = np.linalg.inv(a)
    check_inverse(a, x)
    for wrong in (x * (1 + 1e-9), np.full_like(x, np.nan), x[:4, :4], a):
        with pytest.raises(WrongError):
            check_inverse(a, wrong)


def test_one_wrong_inverse_in_a_stack_is_noticed() -> None:
    a = np.array([general(4, seed) for seed in range(10)])
    x = np.linalg.inv(a)
    check_inverse(a, x)
    x[7, 2, 1] += 1e-6
    with pytest.raises(WrongError):
        check_inverse(a, x)


def test_a_number_that_lost_its_last_bit_is_noticed() -> None:
    check_same(TWO.copy(), TWO)
    for wrong in (np.nextafter(TWO, 9), TWO.astype(np.float32)):
        with pytest.raises(WrongError):
            check_same(wrong, TWO)


def test_a_row_with_a_wrong_side_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.codecs.json_matrix.encode", lambda a: json.dumps((a + 1).tolist()))
    assert main(["--quick", "--row", "7"]) == 1
    assert "row 7 is wrong" in capsys.readouterr().err


def test_sides_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    ticks = iter(range(100))

    def side(name: str) -> Side:
        return Side(order.append, lambda: name, lambda name, _: order.append(f"{name} checked"))

    counts = take_turns(Effort(2, 0), side("a"), side("b"), typical=len, clock=lambda: next(ticks))
    assert counts == [2, 2]
    assert order[::2] == ["a", "b", "a", "b", "b", "a"]
    assert order[1::2] == [f"{name} checked" for name in order[::2]]


@pytest.fixture
def plain(s3: Any, dynamodb: Any, buckets: tuple[str, str], table_name: str) -> PlainHandler:
    return PlainHandler(s3, dynamodb, buckets[1], table_name)


def test_the_plain_handler_inverts_messages_with_two_calls_each(plain: PlainHandler) -> None:
    bodies = [{"job_id": f"j{i}", "matrix": (TWO + i).tolist()} for i in range(3)]
    with counted_calls() as calls:
        assert plain(sqs_event(bodies)) == {"batchItemFailures": []}
    assert len(calls) == 6
    for i in range(3):
        check_inverse(TWO + i, plain.result(f"j{i}"))


@pytest.mark.parametrize("as_npy", [False, True])
def test_the_plain_handler_inverts_files(
    s3: Any, plain: PlainHandler, buckets: tuple[str, str], as_npy: bool
) -> None:
    a = general(20)
    s3.put_object(Bucket=buckets[0], Key="a b.npy", Body=npy_bytes(a))
    handler = PlainHandler(plain.s3, plain.dynamodb, plain.bucket, plain.table, as_npy=as_npy)
    handler(sqs_event([s3_notification(buckets[0], "a b.npy")]))
    check_inverse(a, handler.result("a b"))
