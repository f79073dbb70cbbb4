"""`dsmr-gateway completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gateway.cli.output import echo

PROGRAM = "dsmr-gateway"
_VARIABLE = "_DSMR_GATEWAY_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands, options, map names, formats and versions.

    \b
    bash:  dsmr-gateway completion bash > ~/.local/share/bash-completion/completions/dsmr-gateway
    zsh:   dsmr-gateway completion zsh > ~/.zfunc/_dsmr-gateway
           (with fpath+=~/.zfunc before compinit in ~/.zshrc)
    fish:  dsmr-gateway completion fish > ~/.config/fish/completions/dsmr-gateway.fish
    """  # noqa: D301 - \\b is click's mark for lines that are not wrapped
    kind = get_completion_class(shell)
    assert kind is not None
    echo(kind(ctx.find_root().command, {}, PROGRAM, _VARIABLE).source())
