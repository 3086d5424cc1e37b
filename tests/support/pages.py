"""The pages that people read beside the code."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [
    ROOT / "README.md",
    *(
        path
        for folder in (".github", "docker", "functions", "infra", "scripts", "tests")
        for path in sorted((ROOT / folder).rglob("*.md"))
    ),
]
