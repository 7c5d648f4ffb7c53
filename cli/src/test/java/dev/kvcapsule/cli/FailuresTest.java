package dev.kvcapsule.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.AccessDeniedException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class FailuresTest {
    @Command(name = "capsule")
    private static final class Nothing {}

    private static String message(int exit, Throwable failure) {
        CommandLine line = new CommandLine(new Nothing());
        StringWriter err = new StringWriter();
        line.setErr(new PrintWriter(err, true));
        assertEquals(exit, Failures.handle(failure, line, false));
        return err.toString();
    }

    @Test
    void onlyBugsOfOursShowAStackTrace() {
        String bug = message(ExitCode.BUG, new IllegalStateException("unexpected"));
        assertTrue(bug.contains("this is a bug, please report it") && bug.contains("\tat "), bug);
        for (Throwable other : new Throwable[] {new IOException("No space left on device"), new AccessDeniedException("file"), new OutOfMemoryError("Java heap space"),
            new InternalError("a fault occurred in an unsafe memory access operation")}) {
            assertEquals(1, message(ExitCode.INPUT_OUTPUT, other).lines().count());
        }
    }

    @Test
    void failuresNameTheFileOnce() {
        assertEquals("capsule: out.kvc: No space left on device\n", message(ExitCode.INPUT_OUTPUT, new Failures.FileException("out.kvc", new IOException("No space left on device"))));
        assertEquals("capsule: out.kvc is a folder\n", message(ExitCode.INPUT_OUTPUT, new Failures.FileException("out.kvc", new IOException("out.kvc is a folder"))));
        assertEquals("capsule: standard output: its reader has closed the pipe\n",
                message(ExitCode.INPUT_OUTPUT, new Failures.FileException("standard output", new IOException("Broken pipe"))));
    }
}
