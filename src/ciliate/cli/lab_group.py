"""`ciliate lab`, with what needs commands of this layer."""

from ciliate.cli.lab_ui.command import command as ui
from ciliate.lab.command import command

command.add_command(ui)
