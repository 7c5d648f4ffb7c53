package dev.kvcapsule.sessions.compaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.sessions.row.CompactionMarker;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.MessageKind;
import dev.kvcapsule.sessions.row.Role;
import dev.kvcapsule.sessions.row.ToolCall;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

/** Conversations of any shape, also such as no turn of ours makes: results that come turns later, several at once, and some never. */
class CompactionPlanTest {
    @Provide
    Arbitrary<List<Message>> conversations() {
        Arbitrary<List<Integer>> codes = Arbitraries.integers().between(0, 9).list().ofMaxSize(60);
        return Combinators.combine(Arbitraries.integers().between(0, 2), Arbitraries.of(true, false), codes).as(CompactionPlanTest::conversation);
    }

    private static List<Message> conversation(int systems, boolean summary, List<Integer> codes) {
        List<Message> messages = new ArrayList<>();
        List<String> open = new ArrayList<>();
        for (int i = 0; i < systems; i++) {
            messages.add(Message.system("s"));
        }
        if (summary) {
            messages.add(Message.summary("old", new CompactionMarker("old", Optional.of("goal"), List.of(), Optional.empty(), 1, List.of(), Instant.EPOCH)));
        }
        int calls = 0;
        for (int code : codes) {
            if (code < 3) {
                messages.add(Message.user("u"));
            } else if (code < 5) {
                messages.add(Message.assistant("a"));
            } else if (code < 8) {
                ToolCall[] made = new ToolCall[code - 4];
                for (int i = 0; i < made.length; i++) {
                    made[i] = new ToolCall("c" + calls++, "t", "{}");
                    open.add(made[i].id());
                }
                messages.add(Message.assistant("", made));
            } else if (!open.isEmpty()) {
                messages.add(Message.tool(open.remove(code == 8 ? 0 : open.size() - 1), "r"));
            }
        }
        return messages;
    }

    private static Map<String, Integer> places(List<Message> messages, boolean results) {
        Map<String, Integer> places = new HashMap<>();
        for (int i = 0; i < messages.size(); i++) {
            int at = i;
            if (results) {
                messages.get(i).toolCallId().ifPresent(call -> places.put(call, at));
            } else {
                messages.get(i).toolCalls().forEach(call -> places.put(call.id(), at));
            }
        }
        return places;
    }

    @Property(tries = 5000)
    void aCallAndItsResultStayTogetherOrGoTogether(@ForAll("conversations") List<Message> messages, @ForAll @IntRange(min = 1, max = 4) int turns) {
        Optional<CompactionPlan> plan = CompactionPlan.of(messages, turns);
        if (plan.isEmpty()) {
            return;
        }
        Set<String> gone = new HashSet<>();
        plan.get().replaced().forEach(message -> gone.add(message.id()));
        List<Message> left = messages.stream().filter(message -> !gone.contains(message.id())).toList();
        Map<String, Integer> calls = places(messages, false);
        places(messages, true).forEach((call, result) -> assertEquals(gone.contains(messages.get(calls.get(call)).id()), gone.contains(messages.get(result).id()), call));
        // The prefix is frozen, the tail pinned, and no summary is left beside the new one.
        assertEquals(messages.subList(0, plan.get().frozen()), left.subList(0, plan.get().frozen()));
        assertTrue(messages.subList(0, plan.get().frozen()).stream().allMatch(message -> message.role() == Role.SYSTEM));
        assertTrue(left.stream().noneMatch(message -> message.kind() == MessageKind.SUMMARY));
        List<Integer> starts = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            if (messages.get(i).role() == Role.USER && messages.get(i).kind() == MessageKind.PLAIN) {
                starts.add(i);
            }
        }
        int tail = starts.get(starts.size() - turns);
        assertTrue(messages.subList(tail, messages.size()).stream().noneMatch(message -> gone.contains(message.id())));
        Set<String> kept = new HashSet<>(plan.get().preservedToolCallIds());
        Set<String> expected = new HashSet<>();
        messages.subList(0, tail).stream().filter(message -> !gone.contains(message.id())).flatMap(message -> message.toolCalls().stream()).forEach(call -> expected.add(call.id()));
        assertEquals(expected, kept);
    }
}
