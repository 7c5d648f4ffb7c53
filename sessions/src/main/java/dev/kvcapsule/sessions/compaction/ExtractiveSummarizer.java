package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.Role;
import dev.kvcapsule.sessions.row.ToolCall;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes lines over, without a model: the goal, what was asked, which tools were called, and the beginning of what was said. The newest messages have most of the room; what no
 * longer fits goes, the oldest first.
 */
public final class ExtractiveSummarizer implements Summarizer {
    private static final int LINE = 160;

    private final int most;

    /** @param most characters of a summary */
    public ExtractiveSummarizer(int most) {
        this.most = most;
    }

    /** @param tokens of a summary at most, roughly */
    public static ExtractiveSummarizer ofTokens(int tokens) {
        return new ExtractiveSummarizer(Math.multiplyExact(CHARACTERS_A_TOKEN, tokens));
    }

    @Override
    public String summarize(Request request) {
        List<String> lines = new ArrayList<>();
        request.previous().ifPresent(text -> text.lines().filter(line -> !line.startsWith("Goal: ")).forEach(lines::add));
        request.messages().forEach(message -> add(lines, message));
        String goal = request.originalGoal().map(text -> "Goal: " + cut(text)).orElse("");
        int room = most - goal.length();
        int first = lines.size();
        while (first > 0 && room > lines.get(first - 1).length()) {
            room -= lines.get(--first).length() + 1;
        }
        List<String> kept = new ArrayList<>(lines.subList(first, lines.size()));
        if (!goal.isEmpty()) {
            kept.addFirst(goal);
        }
        return String.join("\n", kept);
    }

    @Override
    public String writer() {
        return "extractive";
    }

    private static void add(List<String> lines, Message message) {
        if (message.role() == Role.TOOL) {
            lines.add("- result: " + cut(message.content()));
        } else if (!message.content().isBlank()) {
            lines.add("- " + message.role().label() + ": " + cut(message.content()));
        }
        for (ToolCall call : message.toolCalls()) {
            lines.add("- called " + call.name() + " " + cut(call.arguments()));
        }
    }

    /** One line, cut between characters. */
    private static String cut(String text) {
        String line = text.strip().replaceAll("\\s+", " ");
        return line.length() <= LINE ? line : line.substring(0, line.offsetByCodePoints(0, line.codePointCount(0, LINE))) + " ...";
    }
}
