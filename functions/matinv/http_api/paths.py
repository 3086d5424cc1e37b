"""Paths: the job id, or the run, in them, and the stage before them."""

from __future__ import annotations

from urllib.parse import unquote

from matinv.jobs.api_paths import ACTIONS, JOBS, RUN_ACTIONS, RUNS


def split(path: str) -> tuple[str, str]:
    """Return the template of a path, and the job id or the run's name in it, decoded.

    Both may have slashes, and they may come as they are or encoded. So ``/result`` at the end of
    a path asks for a result, and is a part of the id only where its slash is encoded.
    """
    for root, name, actions in ((JOBS, "{job_id}", ACTIONS), (RUNS, "{run}", RUN_ACTIONS)):
        if path.startswith(root):
            rest = path.removeprefix(root)
            action = next((action for action in actions if rest.endswith(action)), "")
            found = unquote(rest.removesuffix(action))
            return (f"{root}{name}{action}", found) if found else (path, "")
    return path, ""


def at_stage(path: str, stage: str) -> tuple[str, str]:
    """Split a path into the stage of an API Gateway, if it begins with one, and the rest."""
    root = f"/{stage}"
    if stage in {"", "$default"} or not f"{path}/".startswith(f"{root}/"):
        return "", path
    return root, path.removeprefix(root) or "/"
