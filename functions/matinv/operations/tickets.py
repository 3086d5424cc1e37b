"""Tickets that are missing: a lane where messages wait, and no machine runs or is on its way.

A worker asks for a machine before it sends a job on, so that this takes an accident: AWS Batch has
given a machine up, somebody has cancelled it, or the job comes of a redrive inside the lane.
"""

from __future__ import annotations

from matinv.client.client import Client


def replace_missing(client: Client) -> list[str]:
    """Ask for one machine for each lane that lacks any; return the names of those lanes.

    Further ones are asked for the next time, if messages still wait and none is alive then.

    Raises
    ------
    Transient
        If nobody can tell, or there is no machine to be had.
    """
    stack = client.stack("asking for machines")
    asked: list[str] = []
    for lane in client.settings.lane:
        if not (lane.ticket and stack.monitor and stack.capacity):
            continue
        depth = stack.monitor.depth(lane.name)
        if depth and depth.waiting and not stack.capacity.alive(lane):
            stack.capacity.request(lane)
            asked.append(lane.name)
    return asked
