"""Named matrices, contract suites and event builders for tests; not part of the image."""
