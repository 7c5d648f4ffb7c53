package dev.kvcapsule.cli;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.serving.json.Json;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** One session. */
@Command(name = "show", mixinStandardHelpOptions = true, sortOptions = false, description = "Shows a session: what it waits for, and its last messages.")
final class SessionsShowCommand implements Callable<Integer> {
    private static final int LINE = 100;

    @Parameters(paramLabel = "ID", description = "The session.")
    private String id;

    @Option(names = "--messages", paramLabel = "N", defaultValue = "10", description = "How many of the last messages (default: ${DEFAULT-VALUE}; with --json: all).")
    private int messages;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            SessionStore.Changes all = sessions.store().changesSince(SessionOptions.checked(id), 0);
            if (options.json()) {
                JsonReport report = new JsonReport();
                all.session().toMap().forEach(report::put);
                options.out().println(report.put("status", SessionsListCommand.status(all.session())).put("messages", all.messages().stream().map(Message::toMap).toList()));
            } else {
                print(all.session(), all.messages());
            }
        }
        return ExitCode.DONE;
    }

    private void print(Session row, List<Message> all) {
        Instant now = Instant.now();
        line("session", row.id() + row.parentId().map(parent -> ", forked from " + parent + row.forkedAtMessageId().map(at -> " at " + at).orElse("")).orElse(""));
        line("changed", Age.of(row.updatedAt(), now) + ", version " + row.version());
        line("status", SessionsListCommand.status(row));
        line("tokens", row.cost().contextTokens() + " in the context; " + row.cost().promptTokens() + " of prompts in all, " + row.cost().cachedTokens() + " of them reused, "
                + row.cost().completionTokens() + " generated");
        line("compacted", row.compaction().count() + " times" + row.compaction().lastAt().map(at -> ", last " + Age.of(at, now)).orElse(""));
        row.permissionScope().ifPresent(scope -> line("scope", scope));
        row.expiresAt().ifPresent(end -> line("expires", end.toString()));
        for (OpenToolCall open : row.openToolCalls()) {
            line("open call", open.call().id() + " " + open.call().name() + " " + open.call().arguments());
        }
        for (SubagentCall call : row.subagentCalls()) {
            line("subagent", call.callId() + " " + call.agent() + ", " + Age.of(call.startedAt(), now) + ", for " + call.toolCallId());
        }
        row.question().ifPresent(this::print);
        line("messages", Long.toString(row.messageCount()));
        for (Message message : all.subList(Math.max(0, all.size() - Math.max(0, messages)), all.size())) {
            String kind = message.marker().isPresent() ? "summary" : message.role().label();
            options.out().println("  " + message.id() + " " + (kind + "         ").substring(0, 9) + " " + oneLine(message));
        }
    }

    private void print(QuestionState question) {
        line("question", question.prompt() + "  (" + question.questionId() + ")");
        question.permission().ifPresent(ask -> line("", ask.toolName() + " " + Json.line(ask.toolArgs()) + ask.ruleId().map(rule -> "  rule " + rule).orElse("")));
        question.options().forEach(option -> line("", option.value() + ": " + option.label() + (option.description().isEmpty() ? "" : ", " + option.description())));
        if (question.allowCustom()) {
            line("", "or any other text");
        }
    }

    private static String oneLine(Message message) {
        StringBuilder text = new StringBuilder(message.content());
        for (ToolCall call : message.toolCalls()) {
            text.append(" -> ").append(call.name()).append(' ').append(call.arguments());
        }
        String line = text.toString().strip().replaceAll("[\\s\\p{Cntrl}]+", " ");
        return line.length() <= LINE ? line : line.substring(0, line.offsetByCodePoints(0, line.codePointCount(0, LINE - 3))) + "...";
    }

    private void line(String name, String text) {
        options.out().println((name + "            ").substring(0, 12) + text.replaceAll("\\p{Cntrl}", " "));
    }
}
