package dev.kvcapsule.cli;

import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The key registry. */
@Command(name = "keys", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = "Makes and manages the keys of sealed capsules.",
        footerHeading = "%nExamples:%n", footer = {"  capsule keys new --tenant acme          a wrapping key for a tenant, and a signing key if there is none",
            "  capsule keys export -o public.jwks      what others need to verify", "  capsule keys rotate ed25519-0123456789ab", "  capsule keys revoke --capsule 00112233445566778899aabbccddeeff",
            "  capsule keys revoke --tenant acme --epoch 1 --destroy     nothing of that epoch can be read again", "", "docs/security.md has the ceremonies step by step."},
        subcommands = {KeysNewCommand.class, KeysListCommand.class, KeysExportCommand.class, KeysImportCommand.class, KeysRotateCommand.class, KeysRevokeCommand.class,
            CommandLine.HelpCommand.class})
final class KeysCommand implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "which command?");
    }
}
