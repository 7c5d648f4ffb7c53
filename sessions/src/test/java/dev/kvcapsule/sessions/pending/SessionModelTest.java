package dev.kvcapsule.sessions.pending;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.OpenToolCall;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.ToolCall;
import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.BranchException;
import dev.kvcapsule.sessions.store.MemorySessionStore;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.state.Action;
import net.jqwik.api.state.ActionChain;
import net.jqwik.api.state.Transformer;

/**
 * Random sequences of operations against a model: a list of lines and a few sets, which knows nothing of rows, versions or transactions. Programs are killed between any two steps,
 * and the same request is made again.
 */
class SessionModelTest {
    private static Path folder;
    private static SessionDatabase database;

    private static synchronized SessionStore h2() throws IOException {
        if (database == null) {
            folder = Files.createTempDirectory("kvcapsule-model");
            database = SessionDatabase.file(folder.resolve("sessions"));
        }
        return database.sessions(SessionOwner.LOCAL);
    }

    @AfterContainer
    static void close() throws IOException {
        if (database != null) {
            database.close();
            try (Stream<Path> files = Files.list(folder)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(folder);
        }
    }

    /** A session and what it should be. */
    private static final class World {
        final CrashingStore program;
        final RememberingTool tool;
        String id = Ulid.next();
        /** Role, content and, of results, the call, a line each. */
        List<String> lines = new ArrayList<>();
        List<String> open = new ArrayList<>();
        /** Question, call, and what it was answered with; empty if none is open. */
        String question = "";
        String asked = "";
        boolean permission;
        /** Runs of the tool that should have had their effect, once each. */
        final List<String> runs = new ArrayList<>();
        int calls;

        World(SessionStore store) throws IOException {
            program = new CrashingStore(store);
            tool = new RememberingTool(program);
            program.create(Session.fresh(id));
        }

        /** Makes a request, in a program that is killed after so many steps; then again, in one that lives. @return the code of a refusal, or ok */
        String request(int steps, Request request) {
            try {
                program.crashAfter(steps);
                try {
                    return attempt(request);
                } catch (CrashingStore.Crash e) {
                    program.restart();
                    return attempt(request);
                } finally {
                    program.restart();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        private String attempt(Request request) throws IOException {
            try {
                request.of(AgentSession.open(program, id));
                return "ok";
            } catch (PendingConflictException e) {
                return e.code();
            } catch (BranchException e) {
                return "branch";
            }
        }

        void check() {
            try {
                Session row = program.load(id).orElseThrow();
                List<String> found = program.messages(id).stream().map(World::line).toList();
                assertEquals(lines, found);
                assertEquals(lines.size(), row.messageCount());
                assertEquals(open, row.openToolCalls().stream().map(call -> call.call().id()).toList());
                assertEquals(question, row.question().map(QuestionState::questionId).orElse(""));
                assertEquals(row.question().isPresent() ? List.of(asked) : List.of(),
                        row.openToolCalls().stream().filter(call -> call.sentinelId().isPresent()).map(OpenToolCall::call).map(ToolCall::id).toList());
                assertEquals(runs.size(), tool.effects(), "tools run once");
                for (String run : runs) {
                    assertEquals(1, tool.effects(run));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        static String line(Message message) {
            return message.role().label() + " " + message.toolCallId().orElse("") + " " + message.toolCalls().stream().map(ToolCall::id).toList() + " " + message.content();
        }

        /** What a new message should be refused for. */
        String blocked() {
            return !question.isEmpty() ? "question-open" : !open.isEmpty() ? "tool-calls-open" : "ok";
        }
    }

    private interface Request {
        void of(AgentSession session) throws IOException;
    }

    private interface Step {
        void of(World world);
    }

    private static Transformer<World> step(String name, Step step) {
        return Transformer.mutate(name, world -> {
            step.of(world);
            world.check();
        });
    }

    private static void message(World world, int steps) {
        Message message = Message.user("line " + world.lines.size());
        // A request that is made again with the same id is refused, if the first one came through: ids are set once.
        String expected = world.blocked();
        String code;
        try {
            code = world.request(steps, session -> session.append(message));
        } catch (IllegalArgumentException e) {
            code = "ok";
        }
        assertEquals(expected, code);
        if (expected.equals("ok")) {
            world.lines.add(World.line(message));
        }
    }

    private static void reply(World world, int calls) {
        ToolCall[] made = new ToolCall[calls];
        for (int i = 0; i < calls; i++) {
            made[i] = new ToolCall("call-" + world.calls++, "t", "{}");
        }
        Message message = Message.assistant("reply", made);
        String expected = world.blocked();
        assertEquals(expected, world.request(100, session -> session.append(message)));
        if (expected.equals("ok")) {
            world.lines.add(World.line(message));
            Stream.of(made).map(ToolCall::id).forEach(world.open::add);
        }
    }

    private static void result(World world, int which) {
        String call = which < world.open.size() ? world.open.get(which) : "no-call";
        Message message = Message.tool(call, "result");
        String expected = call.equals(world.asked) && !world.question.isEmpty() ? "question-open" : which < world.open.size() ? "ok" : "not-open";
        assertEquals(expected, world.request(100, session -> session.append(message)));
        if (expected.equals("ok")) {
            world.lines.add(World.line(message));
            world.open.remove(call);
        }
    }

    private static void ask(World world, int which, boolean permission) {
        String call = which < world.open.size() ? world.open.get(which) : "no-call";
        QuestionState question = permission ? QuestionState.ofPermission(call, new QuestionState.PermissionAsk("t", Map.of(), Optional.empty())) : QuestionState.of(call, "Which?");
        String expected = !world.question.isEmpty() ? "question-open" : which < world.open.size() ? "ok" : "not-open";
        assertEquals(expected, world.request(100, session -> session.ask(question)));
        if (expected.equals("ok")) {
            world.question = question.questionId();
            world.asked = call;
            world.permission = permission;
            world.lines.add("tool " + call + " [] Waiting for an answer.");
        }
    }

    private static void answer(World world, int steps, boolean allow, boolean other) {
        String question = other || world.question.isEmpty() ? Ulid.next() : world.question;
        String value = world.permission ? allow ? "allow" : "deny" : "this one";
        String expected = world.question.isEmpty() ? "not-open" : other ? "question-open" : "ok";
        assertEquals(expected, world.request(steps, session -> session.answer(question, List.of(value), world.tool)));
        if (!expected.equals("ok")) {
            return;
        }
        String key = world.id + ":" + question;
        boolean ran = world.permission && allow;
        String result = ran ? RememberingTool.result(key) : world.permission ? "The tool was not run: permission was denied." : value;
        world.lines.set(world.lines.indexOf("tool " + world.asked + " [] Waiting for an answer."), "tool " + world.asked + " [] " + result);
        world.open.remove(world.asked);
        world.question = "";
        if (ran) {
            world.runs.add(key);
        }
        // And once more, as a client does that did not hear of it.
        assertEquals("ok", world.request(100, session -> session.answer(question, List.of(value), world.tool)));
        assertEquals("answered", world.request(100, session -> session.answer(question, List.of("another"), world.tool)));
    }

    private static void interrupt(World world, int steps) {
        String expected = world.question.isEmpty() ? "ok" : "question-open";
        assertEquals(expected, world.request(steps, AgentSession::interrupt));
        if (expected.equals("ok")) {
            world.open.forEach(call -> world.lines.add("tool " + call + " [] The tool call was interrupted. Whether it had effects is not known: check before calling it again."));
            world.open.clear();
        }
    }

    private static void endTurn(World world) {
        assertEquals(world.blocked(), world.request(100, AgentSession::endTurn));
    }

    /** Where the lines may be cut: behind the last, and where neither a call stands before nor a result behind. */
    private static boolean isBoundary(World world, int at) {
        return at == world.lines.size() - 1 || !world.lines.get(at + 1).startsWith("tool ") && !world.lines.get(at).contains(" [call-");
    }

    private static void cut(World world, int which, boolean fork, int steps) {
        if (world.lines.isEmpty()) {
            return;
        }
        int at = which % world.lines.size();
        try {
            String message = world.program.messages(world.id).get(at).id();
            String child = Ulid.next();
            String expected = isBoundary(world, at) ? "ok" : "branch";
            String code = fork ? world.request(100, session -> world.program.fork(world.id, Optional.of(message), child))
                    : world.request(steps, session -> world.program.revert(world.id, OptionalLong.empty(), message));
            assertEquals(expected, code);
            if (!expected.equals("ok")) {
                return;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        if (fork) {
            world.check();
            try {
                world.id = world.program.list(1).getFirst().id();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        if (at < world.lines.size() - 1) {
            // Whatever waits is in the last turn, which a cut before the end leaves out.
            world.lines = new ArrayList<>(world.lines.subList(0, at + 1));
            world.open.clear();
            world.question = "";
        }
    }

    @Provide
    Arbitrary<ActionChain<World>> onMemory() {
        return chains(MemorySessionStore::new);
    }

    @Provide
    Arbitrary<ActionChain<World>> onH2() {
        return chains(() -> h2());
    }

    private interface Stores {
        SessionStore get() throws IOException;
    }

    private static Arbitrary<ActionChain<World>> chains(Stores stores) {
        Arbitrary<Integer> steps = Arbitraries.integers().between(0, 9);
        Arbitrary<Integer> which = Arbitraries.integers().between(0, 2);
        Arbitrary<Boolean> flag = Arbitraries.of(true, false);
        return ActionChain.startWith(() -> {
            try {
                return new World(stores.get());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }).withAction(3, action(steps.map(s -> step("message, killed at " + s, world -> message(world, s)))))
                .withAction(6, action(which.map(n -> step("reply with " + n + " calls", world -> reply(world, n)))))
                .withAction(3, action(which.map(n -> step("result of " + n, world -> result(world, n)))))
                .withAction(5, action(Combinators.combine(which, flag).as((n, p) -> step("ask about " + n + (p ? ", permission" : ""), world -> ask(world, n, p)))))
                .withAction(8, action(Combinators.combine(steps, flag, Arbitraries.integers().between(0, 4)).as((s, a, o) -> step("answer " + a + (o == 0 ? ", another question" : "") + ", killed at " + s,
                        world -> answer(world, s, a, o == 0)))))
                .withAction(1, action(steps.map(s -> step("interrupt, killed at " + s, world -> interrupt(world, s)))))
                .withAction(1, action(Arbitraries.just(step("end of turn", SessionModelTest::endTurn))))
                .withAction(2, action(Combinators.combine(Arbitraries.integers().between(0, 30), flag, steps).as((n, f, s) -> step((f ? "fork at " : "revert to ") + n + ", killed at " + s,
                        world -> cut(world, n, f, s))))).withMaxTransformations(20);
    }

    private static Action.Independent<World> action(Arbitrary<Transformer<World>> steps) {
        return new Action.Independent<>() {
            @Override
            public Arbitrary<Transformer<World>> transformer() {
                return steps;
            }
        };
    }

    @Property(tries = 10_000, shrinking = ShrinkingMode.BOUNDED)
    void tenThousandSequences(@ForAll("onMemory") ActionChain<World> chain) {
        chain.run();
    }

    /** The same in a database, fewer of them: the contract suite shows that stores do not differ. */
    @Property(tries = 25, shrinking = ShrinkingMode.OFF)
    void inADatabase(@ForAll("onH2") ActionChain<World> chain) {
        chain.run();
    }
}
