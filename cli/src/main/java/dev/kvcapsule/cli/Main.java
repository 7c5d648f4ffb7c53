package dev.kvcapsule.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.util.Arrays;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The command's root. */
@Command(name = "capsule", mixinStandardHelpOptions = true, version = "KV Capsule 0.1.0", synopsisSubcommandLabel = "COMMAND",
        description = "Compresses the KV cache of a language model into a capsule, and restores it.",
        footerHeading = "%nExamples:%n",
        footer = {"  capsule demo", "  capsule keys new --tenant acme",
            "  capsule encode slot.bin -o slot.kvc --model model.gguf --scope org=acme,user=ann", "  capsule decode slot.kvc -o slot.bin --as org=acme,user=ann",
            "  capsule encode --help          what a command takes; 'capsule help encode' says the same",
            "  source <(capsule generate-completion)    completion for bash and zsh in this shell", "", "Environment:",
            "  JAVA_HOME          a JDK 25; the usual places are searched otherwise", "  CAPSULE_JAVA_OPTS  more options for the JVM, such as -Xmx1g",
            "  CAPSULE_HOME       where keys/, bases/, store/, chunks/, sessions/ and database/ are (default: ~/.local/share/kvcapsule)", "  CAPSULE_DATABASE   a PostgreSQL database of sessions, instead of the file in CAPSULE_HOME", "  CAPSULE_KEYS_PASSWORD  password of an encrypted key registry", "  CAPSULE_LIBLLAMA   the folder of libllama, for 'capsule calibrate --text' and 'capsule report'", "", "Exit codes:",
            "  0  done", "  1  a bug of ours", "  2  wrong usage", "  3  malformed input", "  4  refused", "  5  input/output"},
        subcommands = {DemoCommand.class, EncodeCommand.class, DecodeCommand.class, InspectCommand.class, VerifyCommand.class, KeysCommand.class, CompareCommand.class,
            CalibrateCommand.class, ReportCommand.class, ServeCommand.class, CheckpointCommand.class, ResumeCommand.class, StatusCommand.class, SessionsCommand.class, ExportCommand.class, StoreCommand.class, DoctorCommand.class, BenchCommand.class, TrainCommand.class, AutoComplete.GenerateCompletion.class, CommandLine.HelpCommand.class})
public final class Main implements Runnable {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    private Main() {}

    @Override
    public void run() {
        throw new CommandLine.ParameterException(spec.commandLine(), "which command?");
    }

    /** Runs the command and ends the JVM with its exit code. */
    public static void main(String[] args) {
        System.exit(run(new FileOutputStream(FileDescriptor.out), args));
    }

    /** Runs the command. @return its exit code */
    static int run(String... args) {
        return run(System.out, args);
    }

    private static int run(OutputStream out, String... args) {
        CommandLine line = new CommandLine(new Main());
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setExecutionExceptionHandler(new Failures());
        line.setParameterExceptionHandler(new Failures());
        StandardOutput standard = new StandardOutput(out, System.out.charset());
        line.setOut(standard.writer());
        int exit;
        try {
            exit = line.execute(args);
        } catch (Error e) {
            exit = Failures.handle(e, line, Arrays.asList(args).contains("--json"));
        }
        standard.writer().flush();
        return exit == ExitCode.DONE && standard.failure() != null ? Failures.noStandardOutput(line, standard.failure()) : exit;
    }
}
