package dev.kvcapsule.cli;

import java.io.PrintWriter;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** Where a command's words go, and in which form. */
class OutputOptions {
    @Option(names = "--json", description = "Print one JSON object on standard output.")
    private boolean json;

    @CommandLine.Spec(CommandLine.Spec.Target.MIXEE)
    private CommandLine.Model.CommandSpec spec;

    final boolean json() {
        return json;
    }

    final PrintWriter out() {
        return spec.commandLine().getOut();
    }

    final PrintWriter err() {
        return spec.commandLine().getErr();
    }

    final CommandLine commandLine() {
        return spec.commandLine();
    }
}
