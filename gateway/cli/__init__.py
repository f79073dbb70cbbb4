"""The command line: the only room that prints, exits and sets up logging. Each command is a module of its name."""

from __future__ import annotations

import errno
from importlib import import_module

import click

EXIT_CONFIGURATION = 78
"""Exit code for files that cannot be used (EX_CONFIG). The systemd unit does not restart the gateway after it."""

COMMANDS = {
    "run": "Run the gateway.",
    "check": "Check a configuration and this machine.",
    "setup": "Find the meter, and write the configuration for it.",
    "probe": "Find the meter on a serial port or on the network.",
    "pair": "Let a HomeWizard P1 Meter give the gateway a token.",
    "simulate": "Send the telegrams of a simulated household.",
    "reload": "Let the running gateway read its configuration again.",
    "requests": "Show the requests of Modbus clients to the running gateway.",
    "health": "Show whether the running gateway works.",
    "maps": "List the built-in register maps.",
    "map": "Show a register map, with the values of a telegram.",
    "clients": "Show what to configure for a client, such as an inverter or a charger.",
    "read": "Read a gateway or a meter over Modbus, and decode it.",
    "export": "Print a configuration with which another program reads the gateway.",
    "schema": "Print the JSON Schema of a configuration or register map.",
    "report": "Print what a bug report needs, without personal data.",
    "completion": "Print the completion script for a shell.",
    "import-ser2net": "Convert the configuration of a ser2net.",
}
"""Help of each command, in the order of `--help`.

A new command is a line here and a module of its name in this package, with a function NAME_command. The module is
imported when the command is used: `--help` and shell completion do not wait for what `run` needs.
"""


class Commands(click.Group):
    """The group of all commands. It imports a command on use, and reports the problems of files for all of them."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; print every problem of a file that it cannot use."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            from gateway.cli.output import printable

            vars(error)["message"] = printable(error.message)  # final for type checkers
            raise
        except Exception as error:
            from gateway.cli.output import echo
            from gateway.files.document import FileError

            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                echo(f"The output is not complete: {error.strerror}", err=True)
                ctx.exit(1)
            if not isinstance(error, FileError):
                raise
            for problem in error.problems:
                echo(str(problem), err=True)
            ctx.exit(EXIT_CONFIGURATION)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        """Return the names of the commands in the order of `COMMANDS`."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands with their help without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command as click does; suggest a similar name for one that does not exist."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from gateway.files.validation import suggest

            hint = suggest(args[0], list(COMMANDS))
            raise click.UsageError(f"{error.message} {hint}".rstrip(), ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the command of that name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{__name__}.{name}"), f"{name}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dsmr-modbus-gateway", prog_name="dsmr-gateway")
def main() -> None:
    """Serve the readings of a smart meter's P1 port over Modbus."""
