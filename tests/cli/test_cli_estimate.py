"""`matinv estimate`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from matinv.jobs.lanes import large, standard
from matinv.jobs.limits import predict
from matinv.jobs.prices import cost
from matinv.linalg.types import Accuracy, Method
from matinv.local.samples import npy_bytes
from support.memory_service import Cli, MemoryService

pytestmark = pytest.mark.way("memory", "no service is asked")


def test_estimate_of_a_file_reads_its_header_only(run: Cli, tmp_path: Path) -> None:
    header = npy_bytes(np.zeros((1, 1))).replace(b"(1, 1), }", b"(4096, 4096), }")
    header = header[:128].replace(b" " * 6 + b"\n", b"\n").ljust(127).replace(b"\n", b" ") + b"\n"
    with (tmp_path / "big.npy").open("wb") as file:
        file.write(header)
        file.truncate(128 + 8 * 4096**2)  # a hole: there is no body to read
    result = run("estimate", "big.npy", "--output", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    row = json.loads(result.stdout)
    expected = predict((4096, 4096), np.float64, Method.AUTO)
    assert row["shape"] == [4096, 4096]
    assert row["memory_mib"] == -(-expected.memory_bytes // 2**20)
    assert row["seconds"] == pytest.approx(expected.seconds)
    assert row["lane"] == "standard"
    parts = [row["cost_usd"][name] for name in ("compute", "queue", "table", "storage")]
    assert row["cost_usd"]["total"] == pytest.approx(sum(parts))


def test_estimate_needs_neither_settings_nor_a_service(run: Cli, service: MemoryService) -> None:
    assert run("estimate", "--n", "8").exit_code == 0
    assert service.table.calls == service.queue.calls == {}


def test_estimate_is_a_table_for_people(run: Cli) -> None:
    head, row = run("estimate", "--n", "1024", "--count", "3").stdout.splitlines()
    assert head.split()[:2] == ["INPUT", "SHAPE"]
    assert "3 x 1024 x 1024" in row


def test_wider_dtypes_stacks_and_pinv_take_more(run: Cli) -> None:
    def row(*args: str) -> dict[str, float]:
        found: dict[str, float] = json.loads(
            run("estimate", "--n", "2000", "--output", "json", *args).stdout
        )
        return found

    plain = row()
    assert row("--dtype", "float32")["memory_mib"] < plain["memory_mib"]
    for args in (("--dtype", "complex128"), ("--count", "4"), ("--method", "pinv")):
        assert row(*args)["seconds"] > plain["seconds"]


def test_large_lane_is_named_and_what_no_lane_can_do_exits_7(run: Cli) -> None:
    large = json.loads(run("estimate", "--n", "100", "--count", "30000", "--output", "json").stdout)
    assert large["lane"] == "large"
    result = run("estimate", "--n", "100000")
    assert result.exit_code == 7
    assert "matinv: TOO_LARGE: " in result.stderr
    assert "allowed: 10,240 MiB, 900 s" in result.stderr


@pytest.mark.parametrize(
    ("n", "hours", "dollars", "lane"),
    [
        # 2 n^3 at 9 GFLOP/s a vCPU, and 55 ns an element on one of them.
        (32_768, 2 * 32_768**3 / 9e9 / 16 / 3600 + 55e-9 * 32_768**2 / 3600, 0.945, "huge"),
        (65_536, 2 * 65_536**3 / 9e9 / 16 / 3600 + 55e-9 * 65_536**2 / 3600, 0.945, "huge"),
        (131_072, 2 * 131_072**3 / 9e9 / 192 / 3600 + 55e-9 * 131_072**2 / 3600, 11.43, "grid"),
    ],
)
def test_what_a_stack_cannot_do_is_estimated_for_the_lanes_that_it_lacks(
    run: Cli, n: int, hours: float, dollars: float, lane: str
) -> None:
    """Dollars are of an hour there: 16 vCPUs and 120 GB of Fargate, 192 and 1,465."""
    result = run("estimate", "--n", str(n))
    assert result.exit_code == 7
    found = re.search(
        r"the lane (\w+), were it deployed, would: ([0-9.]+) (minutes|hours), \$([0-9.]+)",
        result.stderr,
    )
    assert found
    assert found[1] == lane
    unit = 60 if found[3] == "minutes" else 1
    assert float(found[2]) == pytest.approx(hours * unit, rel=0.02)
    assert float(found[4]) == pytest.approx(hours * dollars, abs=0.01, rel=0.01)


def test_what_no_lane_at_all_can_do_is_said_without_one(run: Cli) -> None:
    result = run("estimate", "--n", "1000000")
    assert result.exit_code == 7
    assert "were it deployed" not in result.stderr


def test_the_time_in_the_lane_counts_its_threads_for_what_they_share(run: Cli) -> None:
    row = json.loads(run("estimate", "--n", "16000", "--output", "json").stdout)
    alone_s = 55e-9 * 16_000**2
    assert row["lane"] == "large"
    assert row["wall_s"] == pytest.approx(alone_s + (row["seconds"] - alone_s) / 5, rel=1e-3)


def test_json_file_is_estimated_by_its_length(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[[1, 2], [3, 4]]")
    row = json.loads(run("estimate", "a.json", "--output", "json").stdout)
    assert row["shape"] is None
    assert row["lane"] == "standard"


def test_bad_file_is_refused_with_its_code(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "wide.npy").write_bytes(npy_bytes(np.zeros((2, 3))))
    (tmp_path / "good.npy").write_bytes(npy_bytes(np.eye(2)))
    result = run("estimate", "wide.npy", "good.npy")
    assert result.exit_code == 7
    assert "good.npy" in result.stdout
    assert result.stderr.startswith("matinv: NOT_SQUARE: wide.npy: ")


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ((), "give files or --n"),
        (("--n", "0"), "0 is not in the range x>=1"),
        (("--count", "2", "a.npy"), "--count without --n"),
        (("--n", "2", "a.npy"), "give files or --n"),
        (("none.npy",), "'none.npy' does not exist"),
    ],
)
def test_wrong_command_line_exits_2(
    run: Cli, tmp_path: Path, args: tuple[str, ...], found: str
) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(np.eye(2)))
    result = run("estimate", *args)
    assert result.exit_code == 2
    assert found in result.stderr


def test_price_of_a_small_job_is_mostly_messages_and_of_a_large_one_compute() -> None:
    small = cost(0.001, standard(""), 1000, 500, uploaded=False)
    # 1 request and 0.0017 GB-s; 3 of SQS; 5 writes, index included, and 4 reads.
    assert small.compute == pytest.approx(0.2e-6 + 0.001 * 1769 / 1024 * 0.0000133334)
    assert small.queue == pytest.approx(1.2e-6)
    assert small.table == pytest.approx(5 * 0.625e-6 + 4 * 0.125e-6)
    assert small.storage == 0
    long = cost(100, large(""), 1024, 0, uploaded=True)
    assert long.compute == pytest.approx(100 * 10 * 0.0000133334, rel=1e-3)
    assert long.storage == pytest.approx(2 * 5.4e-6)


def test_files_share_invocations_of_the_standard_lane(run: Cli, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.npy").write_bytes(npy_bytes(np.eye(300)))
    one = json.loads(run("estimate", "0.npy", "--output", "json").stdout)["cost_usd"]
    rows = run("estimate", ".", "--output", "json").stdout.splitlines()
    each = [json.loads(row)["cost_usd"] for row in rows]
    assert len(each) == 4
    assert one["compute"] - each[0]["compute"] == pytest.approx(0.2e-6 * 3 / 4)
    assert one["queue"] - each[0]["queue"] == pytest.approx(2 * 0.4e-6 * 3 / 4)


def test_a_proof_takes_more_and_is_predicted_as_the_worker_does(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(np.eye(300)))
    (tmp_path / "a.json").write_text(json.dumps(np.eye(300).tolist()))
    proven = predict((300, 300), np.float64, accuracy=Accuracy.VERIFIED)
    for args in (["a.npy"], ["--n", "300"], ["a.json"]):
        rows = [
            json.loads(run("estimate", *args, "--accuracy", accuracy, "--output", "json").stdout)
            for accuracy in Accuracy
        ]
        assert rows[1]["seconds"] > 10 * rows[0]["seconds"]
        assert rows[1]["memory_mib"] > rows[0]["memory_mib"]
        if args != ["a.json"]:
            assert rows[1]["seconds"] == pytest.approx(proven.seconds)


def test_estimate_of_a_directory_sums_its_files_and_says_what_stacks_would_cost(
    run: Cli, tmp_path: Path
) -> None:
    (tmp_path / "study" / "s1").mkdir(parents=True)
    for k in range(50):
        np.save(tmp_path / "study" / "s1" / f"{k}.npy", np.eye(20))
    np.save(tmp_path / "study" / "big.npy", np.eye(500))
    result = run("estimate", "study", "--output", "json")
    assert result.exit_code == 0
    costs = [json.loads(line)["cost_usd"]["total"] for line in result.stdout.splitlines()]
    assert len(costs) == 51
    assert result.stderr.startswith(f"matinv: 51 files: ${sum(costs):.3g}, ")
    stack = json.loads(run("estimate", "--n", "20", "--count", "50", "--output", "json").stdout)[
        "cost_usd"
    ]["total"]
    big = max(costs)
    assert f"; ${stack + big:.3g} with equal matrices in a stack (k, n, n)" in result.stderr


def test_estimate_advises_no_stack_where_it_saves_little(run: Cli, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(20))
    np.save(tmp_path / "b.npy", np.eye(30))
    result = run("estimate", ".")
    assert "2 files: $" in result.stderr
    assert "stack" not in result.stderr
