"""`scripts/bench`: the whole of the service's performance, measured side by side with its peers.

One module for each kind of work (`kernels`, `codecs`, `jobs`, `memory`, `coldstart`), `peers` for
what people write today, `measure` for the clock, `checks` for the results, `table` for the rows.
"""
