"""The pipeline: what a worker does with its messages, one module for each step."""

from matinv.jobs.lanes import IDLE_BYTES, MARGIN_S
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.batch import give_up, process
from matinv.pipeline.direct import Answer, answer
from matinv.pipeline.finish import hand_back
from matinv.pipeline.outcome import Outcome, Report, Unannounced, Verdict, stop_of

__all__ = [
    "IDLE_BYTES",
    "MARGIN_S",
    "Answer",
    "App",
    "Deadline",
    "Outcome",
    "Report",
    "Unannounced",
    "Verdict",
    "answer",
    "give_up",
    "hand_back",
    "process",
    "stop_of",
]
