"""The `--help` of every command, as Markdown for README.md beside it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from matinv.cli.app import cli

_WIDTH = 88  # fits a page without a scroll bar


def markdown() -> str:
    """Return one section per command, its help text as a block."""
    return "\n".join(f"### `{path}`\n\n```text\n{text}\n```\n" for path, text in help_texts())


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield each command line and its help, the group's first."""
    root = _context(cli, "matinv")
    yield "matinv", cli.get_help(root)
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        if command is not None:
            yield from _help(command, name, root)


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    settings = {**command.context_settings, "terminal_width": _WIDTH}
    return click.Context(command, info_name=name, parent=parent, **settings)


def _help(command: click.Command, name: str, parent: click.Context) -> Iterator[tuple[str, str]]:
    ctx = _context(command, name, parent)
    yield ctx.command_path, command.get_help(ctx)
    if isinstance(command, click.Group):
        for sub in command.list_commands(ctx):
            child = command.get_command(ctx, sub)
            if child is not None:
                yield from _help(child, sub, ctx)
