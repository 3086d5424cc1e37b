"""The `--help` of every command, as Markdown for README.md beside it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from matinv.cli.app import cli

_WIDTH = 88  # fits a page without a scroll bar


def markdown() -> str:
    """Return one section per command, its help text as a block."""
    return "\n".join(f"### `{path}`\n\n```text\n{text}\n```\n" for path, text in help_texts())


def help_texts(width: int = _WIDTH) -> Iterator[tuple[str, str]]:
    """Yield each command line and its help in so many columns, the group's first."""

    def context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
        settings = {**command.context_settings, "terminal_width": width}
        return click.Context(command, info_name=name, parent=parent, **settings)

    def below(ctx: click.Context) -> Iterator[tuple[str, str]]:
        yield ctx.command_path, ctx.command.get_help(ctx)
        if isinstance(ctx.command, click.Group):
            for name in ctx.command.list_commands(ctx):
                if command := ctx.command.get_command(ctx, name):
                    yield from below(context(command, name, ctx))

    yield from below(context(cli, "matinv", None))
