"""The client for programs on asyncio: each call runs in a thread, and the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from numpy.typing import ArrayLike

from matinv.client.job import Job
from matinv.client.preparation import Source
from matinv.errors import MatinvError
from matinv.jobs.record import Record
from matinv.linalg.types import Matrix

T = TypeVar("T")
_END: Final = object()


class BlockingClient(Protocol):
    """The calls of `Client`, with all of their options."""

    def submit(self, *args: Any, **options: Any) -> Job:
        """See `Client.submit`."""
        ...

    def job(self, job_id: str) -> Job:
        """See `Client.job`."""
        ...

    def wait(self, *args: Any, **options: Any) -> dict[str, Record]:
        """See `Client.wait`."""
        ...

    def map(self, *args: Any, **options: Any) -> Generator[Matrix | MatinvError, None, None]:
        """See `Client.map`."""
        ...

    def as_completed(self, *args: Any, **options: Any) -> Generator[Job, None, None]:
        """See `Client.as_completed`."""
        ...


@dataclass(frozen=True, slots=True)
class AsyncClient:
    """The methods of `Client`, to be awaited; made by ``client.aio``.

    Parameters
    ----------
    client : BlockingClient
        The service: a `Client`. All parameters, results and errors are those of its methods.

    Examples
    --------
    >>> from matinv import Client
    >>> async def traces(matrices):
    ...     return [inverse.trace() async for inverse in Client.in_memory().aio.map(matrices)]
    >>> asyncio.run(traces([[[2.0]], [[1, 2], [3, 4]]]))
    [np.float64(0.5), np.float64(-2.5)]
    """

    client: BlockingClient

    async def submit(self, source: Source, **options: Any) -> Job:
        """See `Client.submit`."""
        return await asyncio.to_thread(self.client.submit, source, **options)

    async def wait(self, jobs: Iterable[Job | str], **options: Any) -> dict[str, Record]:
        """See `Client.wait`."""
        return await asyncio.to_thread(self.client.wait, jobs, **options)

    async def result(self, job: Job | str, *, verify: bool | ArrayLike = False) -> Matrix:
        """See `Job.result`."""
        handle = self.client.job(job) if isinstance(job, str) else job
        return await asyncio.to_thread(handle.result, verify=verify)

    def map(
        self, matrices: Iterable[Source], **options: Any
    ) -> AsyncIterator[Matrix | MatinvError]:
        """See `Client.map`; the matrices are taken in a thread, one after the other."""
        return _stepped(self.client.map(matrices, **options))

    def as_completed(self, jobs: Iterable[Job | str], **options: Any) -> AsyncIterator[Job]:
        """See `Client.as_completed`."""
        return _stepped(self.client.as_completed(jobs, **options))


async def _stepped(generator: Generator[T, None, None]) -> AsyncIterator[T]:
    """Yield the items of a generator, and run each of its steps in the same thread."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "matinv-aio")
    try:
        while (item := await loop.run_in_executor(thread, next, generator, _END)) is not _END:
            yield item  # type: ignore[misc] # which is no T only at the end
    finally:
        # Behind the step that runs: a generator cannot be closed before.
        thread.submit(generator.close)
        thread.shutdown(wait=False)
