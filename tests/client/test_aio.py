"""`Client.aio`: the loop goes on while the service works."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from matinv.client import Client, JobFailed
from support.memory_service import general


def test_everything_can_be_awaited() -> None:
    async def program() -> None:
        client = Client.in_memory()
        job = await client.aio.submit(general(3), job_id="a")
        records = await client.aio.wait([job])
        assert records["a"].status == "SUCCEEDED"
        inverse = await client.aio.result(job, verify=True)
        assert np.array_equal(inverse, await client.aio.result(job.job_id))
        np.testing.assert_allclose(inverse @ general(3), np.eye(3), atol=1e-9)
        assert [one.job_id async for one in client.aio.as_completed([job])] == ["a"]

    asyncio.run(program())


def test_inverses_come_in_order_and_errors_are_raised() -> None:
    async def program() -> list[float]:
        given = [[[2.0]], [[4.0]], [[0.0]]]
        steps = Client.in_memory().aio.map(given)
        found = [float((await anext(steps))[0, 0]) for _ in range(2)]  # type: ignore[index]
        with pytest.raises(JobFailed, match="SINGULAR"):
            await anext(steps)
        return found

    assert asyncio.run(program()) == [0.5, 0.25]


def test_the_loop_goes_on_while_a_step_waits() -> None:
    """The matrix comes only once the loop, which the step must not hold up, has said so."""
    ready = threading.Event()

    def slow() -> object:
        assert ready.wait(20)
        yield [[2.0]]

    async def program() -> None:
        client = Client.in_memory()
        steps = client.aio.map(slow())  # type: ignore[arg-type]
        first = asyncio.ensure_future(anext(steps))
        await asyncio.sleep(0)
        ready.set()
        assert (await first).tolist() == [[0.5]]  # type: ignore[union-attr]

    asyncio.run(program())


@pytest.mark.deep  # 3 s: a thousand matrices are out by then
def test_whoever_leaves_off_closes_the_generator() -> None:
    closed = threading.Event()

    def watched() -> object:
        try:
            for k in range(1, 10**6):
                yield np.eye(200) * k
        finally:
            closed.set()

    async def program() -> None:
        steps = Client.in_memory().aio.map(watched())  # type: ignore[arg-type]
        async for _ in steps:
            break
        await steps.aclose()  # type: ignore[attr-defined]

    asyncio.run(program())
    assert closed.wait(20)
