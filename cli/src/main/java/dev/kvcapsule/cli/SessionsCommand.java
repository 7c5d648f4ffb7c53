package dev.kvcapsule.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Durable sessions. */
@Command(name = "sessions", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = "Lists sessions, answers their questions, forks, reverts, compacts, exports and removes them; tries out permissions.",
        footerHeading = "%nExamples:%n", footer = {"  capsule sessions list", "  capsule sessions show train-7", "  capsule sessions answer train-7 allow        the open question, which 'show' shows",
            "  capsule sessions fork train-7 --name plan-b --at 01KAXYZ...", "  capsule sessions export train-7 -o train-7.jsonl", "  capsule sessions purge --expired",
            "  capsule sessions list --as org=acme,user=ann       sessions of a gateway's user", "", "docs/sessions.md has the fields, and the same over HTTP."},
        subcommands = {SessionsListCommand.class, SessionsShowCommand.class, SessionsAnswerCommand.class, SessionsForkCommand.class, SessionsRevertCommand.class,
            SessionsCompactCommand.class, SessionsExportCommand.class, SessionsPurgeCommand.class, PermissionCommand.class, CommandLine.HelpCommand.class})
final class SessionsCommand implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "which command?");
    }
}
