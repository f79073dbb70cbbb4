"""The command line: the only place that prints, exits and sets up logging. Each command is a module of its own."""

from __future__ import annotations

import errno
from importlib import import_module

import click

EXIT_CONFIGURATION = 78
"""EX_CONFIG: systemd's RestartPreventExitStatus knows that trying again will not help."""

COMMANDS = {
    "run": ("run", "Run the gateway."),
    "check": ("check", "Say what is wrong with a configuration."),
    "probe": ("probe", "Find the meter on a P1 port."),
    "simulate": ("simulate", "Send a simulated household's telegrams."),
    "requests": ("requests", "Show what Modbus clients ask the running gateway."),
    "health": ("health", "Say whether the running gateway does its work."),
    "maps": ("maps", "List the register maps that come along."),
    "map": ("maps", "Show a register map, with the values of a telegram."),
    "read": ("read", "Read a gateway or a meter over Modbus, and decode it."),
    "export": ("export", "Print the configuration with which a program reads the gateway."),
    "schema": ("schema", "Print the JSON Schema of a configuration or map."),
    "report": ("report", "Print what a report of a fault needs, without what tells whose it is."),
    "completion": ("completion", "Print what makes a shell complete all this."),
    "import-ser2net": ("import_ser2net", "Convert a ser2net's configuration."),
}
"""Command → its module and its help. A module is imported when its command is used: `run` alone needs the server."""


class Commands(click.Group):
    """The commands, imported when used; what is wrong with a file ends any of them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; say every fault of a file that it cannot use."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from gateway.files.yaml_file import FileError

            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                click.echo(f"The output is not whole: {error.strerror}", err=True)
                ctx.exit(1)
            if not isinstance(error, FileError):
                raise
            for fault in error.faults:
                click.echo(str(fault), err=True)
            ctx.exit(EXIT_CONFIGURATION)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        """In the order in which a user meets them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table, without importing what stands behind it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with what comes near to a word that is no command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from gateway.files.validation import suggest

            hint = suggest(args[0], list(COMMANDS))
            raise click.UsageError(f"{error.message} {hint}".rstrip(), ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"gateway.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dsmr-modbus-gateway", prog_name="dsmr-gateway")
def main() -> None:
    """A gateway from the P1 port of a smart meter to Modbus."""
