package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.row.CompactionMarker;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.Role;
import dev.kvcapsule.sessions.row.ToolCall;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a summary is to stand for. System messages at the beginning stay, so that what a server has computed of them stays valid; the last turns stay; the rest goes, and the summary
 * before with it. A tool call and its results go together or stay together: where one result is in the tail, the message with its call stays, and all results of that message.
 *
 * @param frozen how many messages at the beginning stay
 * @param replaced the messages that go, in order
 * @param preservedToolCallIds calls that stay although they stand before the tail
 * @param previous the summary that goes, too
 * @param originalGoal what the conversation began with
 */
public record CompactionPlan(int frozen, List<Message> replaced, List<String> preservedToolCallIds, Optional<CompactionMarker> previous, Optional<String> originalGoal) {
    /** Copies the lists. */
    public CompactionPlan {
        replaced = List.copyOf(replaced);
        preservedToolCallIds = List.copyOf(preservedToolCallIds);
    }

    /**
     * Plans.
     *
     * @param messages the view
     * @param tailTurns turns at the end that stay
     * @return empty if there is nothing that a summary would be new for
     */
    public static Optional<CompactionPlan> of(List<Message> messages, int tailTurns) {
        int frozen = 0;
        while (frozen < messages.size() && messages.get(frozen).role() == Role.SYSTEM) {
            frozen++;
        }
        int tail = tail(messages, frozen, tailTurns);
        Set<Integer> kept = straddling(messages, frozen, tail);
        List<Message> replaced = new ArrayList<>();
        List<String> preserved = new ArrayList<>();
        Optional<CompactionMarker> previous = Optional.empty();
        boolean isNews = false;
        for (int i = frozen; i < tail; i++) {
            Message message = messages.get(i);
            if (kept.contains(i)) {
                message.toolCalls().forEach(call -> preserved.add(call.id()));
                continue;
            }
            replaced.add(message);
            previous = message.marker().isPresent() ? message.marker() : previous;
            isNews |= message.kind() != MessageKind.SUMMARY;
        }
        if (!isNews) {
            return Optional.empty();
        }
        Optional<String> goal = previous.flatMap(CompactionMarker::originalGoal)
                .or(() -> messages.stream().filter(message -> message.role() == Role.USER && message.kind() == MessageKind.PLAIN).findFirst().map(Message::content));
        return Optional.of(new CompactionPlan(frozen, replaced, preserved, previous, goal));
    }

    /** The view with a summary where the first of what goes was. */
    List<Message> applied(List<Message> messages, Message summary) {
        Set<String> gone = new HashSet<>();
        replaced.forEach(message -> gone.add(message.id()));
        List<Message> view = new ArrayList<>();
        for (Message message : messages) {
            if (message.id().equals(replaced.getFirst().id())) {
                view.add(summary);
            } else if (!gone.contains(message.id())) {
                view.add(message);
            }
        }
        return view;
    }

    /** Where the last turns begin. */
    private static int tail(List<Message> messages, int frozen, int turns) {
        int left = turns;
        for (int i = messages.size() - 1; i >= frozen; i--) {
            Message message = messages.get(i);
            if (message.role() == Role.USER && message.kind() == MessageKind.PLAIN && --left == 0) {
                return i;
            }
        }
        return frozen;
    }

    /** Messages before the tail that belong to calls with a result in it. */
    private static Set<Integer> straddling(List<Message> messages, int frozen, int tail) {
        Map<String, Integer> callers = new HashMap<>();
        Map<Integer, List<Integer>> results = new HashMap<>();
        for (int i = frozen; i < messages.size(); i++) {
            Message message = messages.get(i);
            for (ToolCall call : message.toolCalls()) {
                callers.put(call.id(), i);
            }
            Integer caller = message.toolCallId().map(callers::get).orElse(null);
            if (caller != null) {
                results.computeIfAbsent(caller, c -> new ArrayList<>()).add(i);
            }
        }
        Set<Integer> kept = new HashSet<>();
        results.forEach((caller, places) -> {
            if (caller < tail && places.getLast() >= tail) {
                kept.add(caller);
                kept.addAll(places);
            }
        });
        return kept;
    }
}
