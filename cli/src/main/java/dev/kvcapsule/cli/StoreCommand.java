package dev.kvcapsule.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The store of chunks. */
@Command(name = "store", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = "Looks after the chunks that sessions' capsules go on from.",
        footerHeading = "%nExamples:%n", footer = {"  capsule store status", "  capsule store gc            removes what no session needs, and what has expired",
            "  capsule store verify        looks at every byte"},
        subcommands = {StoreStatusCommand.class, StoreGcCommand.class, StoreVerifyCommand.class, CommandLine.HelpCommand.class})
final class StoreCommand implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "which command?");
    }
}
