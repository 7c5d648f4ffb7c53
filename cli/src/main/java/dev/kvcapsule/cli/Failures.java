package dev.kvcapsule.cli;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.kernel.DeviceException;
import dev.kvcapsule.engine.keys.KeyException;
import dev.kvcapsule.sessions.SessionBusyException;
import dev.kvcapsule.sessions.pending.PendingConflictException;
import dev.kvcapsule.sessions.store.BranchException;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionExistsException;
import dev.kvcapsule.sessions.store.VersionConflictException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import picocli.CommandLine;

/** Turns exceptions into one line, an exit code and, where asked for, JSON. Only a bug of ours shows a stack trace. */
final class Failures implements CommandLine.IExecutionExceptionHandler, CommandLine.IParameterExceptionHandler {
    /** A mistake in how the command was called that only shows while it runs. */
    static final class UsageException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        UsageException(String message) {
            super(message);
        }
    }

    /** Says which file or stream an exception is about. */
    static final class FileException extends IOException {
        private static final long serialVersionUID = 1L;

        FileException(String file, IOException cause) {
            super(file, cause);
        }
    }

    private record Failure(int exit, String code, String message) {}

    @Override
    public int handleExecutionException(Exception exception, CommandLine line, CommandLine.ParseResult result) {
        return handle(exception, line, result.originalArgs().contains("--json"));
    }

    /** Reports anything that a command threw. @return the exit code */
    static int handle(Throwable exception, CommandLine line, boolean json) {
        Failure failure = classify(exception);
        report(failure, line, json);
        if (failure.exit() == ExitCode.BUG) {
            exception.printStackTrace(line.getErr());
        }
        return failure.exit();
    }

    /** Results could not be printed; where they should have gone nothing else can be. @return the exit code */
    static int noStandardOutput(CommandLine line, IOException exception) {
        line.getErr().println("capsule: standard output: " + reason(exception));
        return ExitCode.INPUT_OUTPUT;
    }

    private static String reason(IOException e) {
        return switch (e.getMessage()) {
            case null -> e.getClass().getSimpleName();
            case "Broken pipe" -> "its reader has closed the pipe";
            case "Bad file descriptor" -> "is closed";
            default -> e.getMessage();
        };
    }

    @Override
    public int handleParseException(CommandLine.ParameterException exception, String[] args) {
        CommandLine line = exception.getCommandLine();
        report(new Failure(ExitCode.USAGE, "usage", exception.getMessage()), line, Arrays.asList(args).contains("--json"));
        line.getErr().println("Try '" + line.getCommandSpec().qualifiedName() + " --help'.");
        return ExitCode.USAGE;
    }

    private static void report(Failure failure, CommandLine line, boolean json) {
        if (json) {
            line.getOut().println(JsonReport.error(failure.code(), failure.message()));
            line.getOut().flush();
        }
        line.getErr().println("capsule: " + failure.message());
    }

    private static Failure classify(Throwable exception) {
        return switch (exception) {
            case FileException e -> {
                Failure inner = classify(e.getCause());
                yield new Failure(inner.exit(), inner.code(), inner.message().startsWith(e.getMessage()) ? inner.message() : e.getMessage() + ": " + inner.message());
            }
            case UncheckedIOException e -> classify(e.getCause());
            case MalformedDataException e -> new Failure(ExitCode.MALFORMED, "malformed", e.getMessage());
            case CapsuleRefusedException e -> new Failure(ExitCode.REFUSED, e.code().toOutsiders().label(), e.getMessage());
            case SessionBusyException e -> new Failure(ExitCode.REFUSED, "busy", e.getMessage());
            case PendingConflictException e -> new Failure(ExitCode.REFUSED, e.code(), e.getMessage());
            case VersionConflictException e -> new Failure(ExitCode.REFUSED, "version", e.getMessage());
            case BranchException e -> new Failure(ExitCode.USAGE, "boundary", e.getMessage());
            case SessionExistsException e -> new Failure(ExitCode.USAGE, "exists", e.getMessage());
            case NoSuchSessionException e -> new Failure(ExitCode.INPUT_OUTPUT, "no-session", e.getMessage());
            case KeyException e -> new Failure(ExitCode.USAGE, "keys", e.getMessage());
            case NoSuchFileException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getFile() + ": no such file");
            case AccessDeniedException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getFile() + ": access denied");
            case FileSystemException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getMessage());
            case IOException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", reason(e));
            case DeviceException e -> new Failure(ExitCode.INPUT_OUTPUT, "device", e.getMessage());
            case UsageException e -> new Failure(ExitCode.USAGE, "usage", e.getMessage());
            case UnsupportedOperationException e when e.getMessage() != null -> new Failure(ExitCode.USAGE, "unsupported", e.getMessage());
            case OutOfMemoryError e -> new Failure(ExitCode.INPUT_OUTPUT, "memory",
                    "not enough memory (" + e.getMessage() + "): give fewer --threads, or more heap by CAPSULE_JAVA_OPTS=-Xmx1g");
            // What the JVM makes of a page of a mapped file that cannot be read any more.
            case InternalError e when e.getMessage() != null && e.getMessage().contains("unsafe memory access") -> new Failure(ExitCode.INPUT_OUTPUT, "io",
                    "a file was cut short, or its disk failed, while it was read");
            default -> new Failure(ExitCode.BUG, "bug", "this is a bug, please report it: " + exception);
        };
    }
}
