package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.Ulid;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Another session that begins as this one. */
@Command(name = "fork", mixinStandardHelpOptions = true, sortOptions = false, description = "Makes a session that begins as another one, with what waits in it; they share a capsule until they differ.")
final class SessionsForkCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", description = "The session.")
    private String id;

    @Option(names = "--at", paramLabel = "MESSAGE", description = "The last message that both have (default: the last one); never between a tool call and its result.")
    private String at;

    @Option(names = "--name", paramLabel = "NEW", description = "The new session (default: a ULID).")
    private String name;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            String newId = name == null ? Ulid.next() : SessionOptions.checked(name);
            SessionOptions.required(sessions.store(), id);
            Session child = options.isLocal() ? sessions.folder().fork(id, Optional.ofNullable(at), newId) : sessions.store().fork(id, Optional.ofNullable(at), newId);
            if (options.json()) {
                options.out().println(new JsonReport().put("session", child.id()).put("parent_session_id", id).put("forked_at_message_id", child.forkedAtMessageId().orElse(null))
                        .put("messages", child.messageCount()));
            } else {
                options.out().println(child.id() + ": forked from " + id + ", " + child.messageCount() + " messages" + (child.isPending() ? "; waits for: " + SessionsListCommand.status(child) : ""));
            }
        }
        return ExitCode.DONE;
    }
}
