"""How many threads have a core to run on: affinity, quotas of both versions, and what is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from matinv.cores import granted_threads


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(8)}, raising=False)


def root(tmp_path: Path, own: str, **files: str) -> Path:
    """Make the files of a machine; ``__`` in a name is a slash, and ``_dot_`` a dot."""
    proc = tmp_path / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(own)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 4),
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("140000 100000", 1),
        ("20000 100000", 1),
        ("320000 100000", 3),
        ("900000 100000", 4),
    ],
)
def test_a_quota_of_version_2_counts(tmp_path: Path, limit: str, expected: int) -> None:
    at = root(tmp_path, "0::/a/b\n", a__b__cpu_dot_max=limit, a__cpu_dot_max="max 100000")
    assert granted_threads(4, at) == expected


def test_the_quota_of_a_group_around_counts_too(tmp_path: Path) -> None:
    at = root(tmp_path, "0::/a/b\n", a__b__cpu_dot_max="max 100000", a__cpu_dot_max="200000 100000")
    assert granted_threads(4, at) == 2


def test_a_container_sees_its_own_group_at_the_top(tmp_path: Path) -> None:
    at = root(tmp_path, "0::/docker/1f3c\n", cpu_dot_max="200000 100000")
    assert granted_threads(4, at) == 2


@pytest.mark.parametrize(("quota", "expected"), [("-1", 4), ("150000", 2), ("50000", 1)])
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_version_1_counts(
    tmp_path: Path, controllers: str, quota: str, expected: int
) -> None:
    own = f"7:memory:/x\n3:{controllers}:/a\n2:cpuset:/\n"
    at = root(tmp_path, own)
    group = at / "sys/fs/cgroup" / controllers / "a"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(quota)
    (group / "cpu.cfs_period_us").write_text("100000")
    assert granted_threads(4, at) == expected


@pytest.mark.parametrize(("wanted", "cores", "expected"), [(2, 8, 2), (8, 3, 3), (0, 8, 1)])
def test_no_more_than_is_asked_for_and_than_the_affinity_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: int, cores: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(cores)}, raising=False)
    assert granted_threads(wanted, tmp_path) == expected
