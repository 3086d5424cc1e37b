"""One target under libFuzzer, in a process of its own: ``-m fuzz.engine TARGET [option…]``."""

from __future__ import annotations

import sys
import warnings
import zlib

import atheris

with atheris.instrument_imports(include=["matinv"]):
    from fuzz.targets import TARGETS

from fuzz.oracles import memory_traced

# The memory of one input in so many is measured; of what is kept in the corpus, by its test.
_MEASURED_EACH = 16


def main(name: str, options: list[str]) -> None:
    """Feed a target until libFuzzer's options say that it is enough; ends the process."""
    target = TARGETS[name]

    def feed(data: bytes) -> None:
        if zlib.crc32(data) % _MEASURED_EACH:
            target(data)
            return
        with memory_traced():
            target(data)

    warnings.simplefilter("ignore")  # of numpy, about headers of Python 2
    myself = f"{sys.executable} -m fuzz.engine {name}"  # merging, libFuzzer lets a shell start it
    atheris.Setup([myself, *options], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
