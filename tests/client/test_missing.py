"""Missing, masked and non-finite elements are found before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.client import Client
from matinv.errors import Code, Refused
from support.memory_service import MemoryService, general

MASKED = np.ma.masked_array(general(3), mask=np.eye(3, dtype=bool))


class NAType:
    """Looks like pandas' NA."""


def with_element(value: Any) -> Any:
    array = general(3).astype(object)
    array[1, 1] = value
    return array


def with_nan(n: int) -> Any:
    array = general(n)
    array[-1, -1] = np.nan
    return array


class Frame:
    """A container that numpy reads by ``__array__``, as it reads pandas and xarray."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.array


@pytest.mark.parametrize(
    "source",
    [
        MASKED,
        np.ma.masked_array(general(3), mask=np.eye(3, dtype=bool), hard_mask=True),
        np.ma.masked_invalid(with_nan(3)),
        list(MASKED),
        [[np.ma.masked, 1.0], [1.0, 2.0]],
        with_element(None),
        with_element(NAType()),
        Frame(with_element(None)),
        Frame(with_nan(3)),
        [[None, 1], [1, 2]],
        with_nan(3),
        with_nan(300),
        np.full((2, 3, 3), np.inf),
    ],
)
def test_what_is_missing_is_not_finite(service: MemoryService, client: Client, source: Any) -> None:
    with pytest.raises(Refused) as caught:
        client.submit(source)
    assert caught.value.code is Code.NON_FINITE
    assert service.queue.sent == []
    assert service.store.uris() == []


@pytest.mark.parametrize(
    "source",
    [
        np.ma.masked_array(general(3)),
        np.ma.masked_array(general(3), mask=np.zeros((3, 3), bool)),
        np.ma.masked_array(general(3), mask=np.ma.nomask, hard_mask=True),
        list(np.ma.masked_array(general(3))),
        Frame(general(3)),
    ],
)
def test_a_container_in_which_nothing_is_missing_is_taken(client: Client, source: Any) -> None:
    job = client.submit(source)
    job.wait()
    np.testing.assert_allclose(job.result() @ general(3), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.json"])
@pytest.mark.parametrize("n", [3, 300])
def test_a_nan_in_a_file_is_found_before_it_is_sent(
    service: MemoryService, client: Client, tmp_path: Path, name: str, n: int
) -> None:
    if name == "a.json":
        text = str(with_nan(n).tolist()).replace("nan", "NaN")
        (tmp_path / name).write_text(text)
    else:
        save = np.save if name == "a.npy" else np.savez
        save(tmp_path / name, with_nan(n))
    with pytest.raises(Refused) as caught:
        client.submit(tmp_path / name)
    assert caught.value.code is Code.NON_FINITE
    assert service.queue.sent == []
    assert service.store.uris() == []


def test_a_stack_in_which_some_slices_are_finite_is_sent_for_these(client: Client) -> None:
    stack = np.stack([general(3), np.full((3, 3), np.nan)])
    assert client.submit(stack).wait().status == "PARTIAL"


@pytest.mark.parametrize("name", ["bom.json", "pd-split.json"])
def test_a_file_of_another_tool_is_submitted(client: Client, name: str) -> None:
    path = Path(__file__).parents[1] / "formats" / "field" / name
    job = client.submit(path, method="general", tags={"a": "b"})
    assert job.wait().status == "SUCCEEDED"
    a = np.array([[4.0, 1, 0], [2, 5, 1], [0, 3, 6]])
    np.testing.assert_allclose(job.result() @ a, np.eye(3), atol=1e-12)
