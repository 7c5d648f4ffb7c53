package dev.kvcapsule.cli;

import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command's root. */
@Command(name = "capsule", mixinStandardHelpOptions = true, version = "KV Capsule 0.1.0", synopsisSubcommandLabel = "COMMAND",
        description = "Compresses the KV cache of a language model into a capsule, and restores it.",
        footerHeading = "%nExit codes:%n",
        footer = {"  0  done", "  1  a bug of ours", "  2  wrong usage", "  3  malformed input", "  4  refused", "  5  input/output"},
        subcommands = {DemoCommand.class, EncodeCommand.class, DecodeCommand.class, InspectCommand.class, VerifyCommand.class, CompareCommand.class,
            DoctorCommand.class, BenchCommand.class, TrainCommand.class, AutoComplete.GenerateCompletion.class, CommandLine.HelpCommand.class})
public final class Main implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    private Main() {}

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "Which command?");
    }

    /** Runs the command and ends the JVM with its exit code. */
    public static void main(String[] args) {
        System.exit(run(args));
    }

    /** Runs the command. @return its exit code */
    static int run(String... args) {
        CommandLine line = new CommandLine(new Main());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler(new Failures());
        line.setParameterExceptionHandler(new Failures());
        return line.execute(args);
    }
}
