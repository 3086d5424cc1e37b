"""The client for programs on asyncio: each call runs in a thread, and the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from numpy.typing import ArrayLike

from matinv.client.preparation import Source
from matinv.errors import MatinvError
from matinv.jobs.record import Record
from matinv.linalg.types import Matrix

if TYPE_CHECKING:
    from matinv.client.client import Client, Job

T = TypeVar("T")
_END: Final = object()


@dataclass(frozen=True, slots=True)
class AsyncClient:
    """What `Client` does, to be awaited; made by ``client.aio``.

    Parameters
    ----------
    client : Client
        The service. All parameters, results and errors are those of its methods.

    Examples
    --------
    >>> from matinv import Client
    >>> async def traces(matrices):
    ...     return [inverse.trace() async for inverse in Client.in_memory().aio.map(matrices)]
    >>> asyncio.run(traces([[[2.0]], [[1, 2], [3, 4]]]))
    [np.float64(0.5), np.float64(-2.5)]
    """

    client: Client

    async def submit(self, source: Source, **options: Any) -> Job:
        """See `Client.submit`."""
        return await asyncio.to_thread(self.client.submit, source, **options)

    async def wait(self, jobs: Iterable[Job | str], **options: Any) -> dict[str, Record]:
        """See `Client.wait`."""
        return await asyncio.to_thread(self.client.wait, jobs, **options)

    async def result(self, job: Job, *, verify: bool | ArrayLike = False) -> Matrix:
        """See `Job.result`."""
        return await asyncio.to_thread(job.result, verify=verify)

    def map(
        self, matrices: Iterable[Source], **options: Any
    ) -> AsyncIterator[Matrix | MatinvError]:
        """See `Client.map`; the matrices are taken in a thread, one after the other."""
        return _stepped(self.client.map(matrices, **options))

    def as_completed(self, jobs: Iterable[Job | str], **options: Any) -> AsyncIterator[Job]:
        """See `Client.as_completed`."""
        return _stepped(self.client.as_completed(jobs, **options))


async def _stepped(generator: Generator[T, None, None]) -> AsyncIterator[T]:
    """Yield what a generator does, each step of it in the same thread."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, "matinv-aio")
    try:
        while (item := await loop.run_in_executor(thread, next, generator, _END)) is not _END:
            yield item  # type: ignore[misc] # which is no T only at the end
    finally:
        # Behind the step that runs: a generator cannot be closed before.
        thread.submit(generator.close)
        thread.shutdown(wait=False)
