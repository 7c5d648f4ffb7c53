package dev.kvcapsule.cli;

/** What the command ends with; scripts rely on these. */
final class ExitCode {
    static final int DONE = 0;
    static final int BUG = 1;
    static final int USAGE = 2;
    static final int MALFORMED = 3;
    static final int REFUSED = 4;
    static final int INPUT_OUTPUT = 5;

    private ExitCode() {}
}
