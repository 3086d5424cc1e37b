"""Paths: the job id in them, and the stage before them."""

from __future__ import annotations

from urllib.parse import unquote

from matinv.jobs.api_paths import ACTIONS, JOBS


def split(path: str) -> tuple[str, str]:
    """Return the template of a path, and the job id in it, decoded.

    A job id may have slashes, and they may come as they are or encoded. So ``/result`` at the end
    of a path asks for a result, and is a part of the id only where its slash is encoded.
    """
    if not path.startswith(JOBS):
        return path, ""
    rest = path.removeprefix(JOBS)
    action = next((action for action in ACTIONS if rest.endswith(action)), "")
    job_id = unquote(rest.removesuffix(action))
    return (f"{JOBS}{{job_id}}{action}", job_id) if job_id else (path, "")


def at_stage(path: str, stage: str) -> tuple[str, str]:
    """Split a path into the stage of an API Gateway, if it begins with one, and the rest."""
    root = f"/{stage}"
    if stage in {"", "$default"} or not f"{path}/".startswith(f"{root}/"):
        return "", path
    return root, path.removeprefix(root) or "/"
