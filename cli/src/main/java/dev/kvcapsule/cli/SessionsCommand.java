package dev.kvcapsule.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Durable agent sessions. */
@Command(name = "sessions", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = "Works on durable agent sessions.",
        subcommands = {PermissionCommand.class, CommandLine.HelpCommand.class})
final class SessionsCommand implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "which command?");
    }
}
