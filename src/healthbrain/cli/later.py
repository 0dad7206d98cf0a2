"""Commands of the contract whose room is not built yet: they say so and exit 2."""

from __future__ import annotations

import click


def _later(name: str, room: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    @click.option("--json", "as_json", is_flag=True, help="Accepted, as by every command.")
    @click.pass_context
    def command(ctx: click.Context, as_json: bool) -> None:
        click.echo(f"healthbrain {name}: 所属模块 {room} 尚未建成。 Its room, {room}, is not built yet.", err=True)
        ctx.exit(2)

    command.help = f"Not built yet: belongs to the room {room}."
    return command


COMMANDS = [_later("dispatch", "dispatch")]
