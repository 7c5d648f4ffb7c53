package dev.kvcapsule.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Which tools may run. */
@Command(name = "permission", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = "Tries out which tools may run.",
        subcommands = {PermissionCheckCommand.class, CommandLine.HelpCommand.class})
final class PermissionCommand implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "which command?");
    }
}
