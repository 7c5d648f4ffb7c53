package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** All sessions. */
@Command(name = "list", mixinStandardHelpOptions = true, sortOptions = false, description = "Lists sessions, the one that was changed last first.")
final class SessionsListCommand implements Callable<Integer> {
    private static final int TITLE = 48;

    @Option(names = "--limit", paramLabel = "N", defaultValue = "50", description = "How many at most (default: ${DEFAULT-VALUE}).")
    private int limit;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        if (limit < 1) {
            throw new Failures.UsageException("--limit " + limit + " lists nothing");
        }
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            List<Session> rows = sessions.store().list(limit);
            if (options.json()) {
                options.out().println(new JsonReport().put("sessions", rows.stream().map(SessionsListCommand::brief).toList()));
                return ExitCode.DONE;
            }
            Instant now = Instant.now();
            TextTable table = new TextTable("SESSION", "CHANGED", "STATUS", "MESSAGES", "TOKENS", "MODEL", "TITLE");
            for (Session row : rows) {
                table.add(row.id(), Age.of(row.updatedAt(), now), status(row), Long.toString(row.messageCount()), row.cost().contextTokens() == 0 ? "" : Long.toString(row.cost().contextTokens()),
                        row.cost().model().orElse(""), title(row));
            }
            table.print(options.out());
        }
        return ExitCode.DONE;
    }

    /** What it waits for. */
    static String status(Session row) {
        return row.question().isPresent() ? "question" : !row.subagentCalls().isEmpty() ? "subagents" : !row.openToolCalls().isEmpty() ? "tool calls" : "idle";
    }

    /** What its agent says that it is for. */
    static String title(Session row) {
        Object objective = row.checkpoint().map(state -> state.state().get("objective")).orElse(null);
        String text = objective instanceof String known ? known : row.parentId().map(parent -> "fork of " + parent).orElse("");
        return text.length() <= TITLE ? text : text.substring(0, text.offsetByCodePoints(0, text.codePointCount(0, TITLE - 3))) + "...";
    }

    private static Map<String, Object> brief(Session row) {
        Map<String, Object> map = new LinkedHashMap<>(row.toMap());
        map.remove("checkpoint_state");
        map.put("status", status(row));
        map.put("title", title(row));
        return map;
    }
}
