package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
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

    /** Says which input an exception is about. */
    static final class InputException extends IOException {
        private static final long serialVersionUID = 1L;

        InputException(String input, IOException cause) {
            super(input, cause);
        }
    }

    private record Failure(int exit, String code, String message) {}

    @Override
    public int handleExecutionException(Exception exception, CommandLine line, CommandLine.ParseResult result) {
        Failure failure = classify(exception);
        report(failure, line, result.originalArgs().contains("--json"));
        if (failure.exit() == ExitCode.BUG) {
            exception.printStackTrace(line.getErr());
        }
        return failure.exit();
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
        }
        line.getErr().println("capsule: " + failure.message());
    }

    private static Failure classify(Throwable exception) {
        return switch (exception) {
            case InputException e -> {
                Failure inner = classify(e.getCause());
                yield new Failure(inner.exit(), inner.code(), inner.message().startsWith(e.getMessage()) ? inner.message() : e.getMessage() + ": " + inner.message());
            }
            case UncheckedIOException e -> classify(e.getCause());
            case MalformedDataException e -> new Failure(ExitCode.MALFORMED, "malformed", e.getMessage());
            case NoSuchFileException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getFile() + ": no such file");
            case AccessDeniedException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getFile() + ": access denied");
            case FileSystemException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getMessage());
            case IOException e -> new Failure(ExitCode.INPUT_OUTPUT, "io", e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
            case UsageException e -> new Failure(ExitCode.USAGE, "usage", e.getMessage());
            case UnsupportedOperationException e when e.getMessage() != null -> new Failure(ExitCode.USAGE, "unsupported", e.getMessage());
            default -> new Failure(ExitCode.BUG, "bug", "this is a bug, please report it: " + exception);
        };
    }
}
