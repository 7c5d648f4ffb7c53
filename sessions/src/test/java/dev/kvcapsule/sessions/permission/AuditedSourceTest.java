package dev.kvcapsule.sessions.permission;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.rules.Glob;
import dev.kvcapsule.sessions.permission.rules.Rule;
import dev.kvcapsule.sessions.permission.rules.Rules;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AuditedSourceTest {
    private static final Identity ANN = new Identity("ann", Optional.of("acme"));
    private static final InstantSource CLOCK = InstantSource.fixed(Instant.parse("2026-11-22T10:00:00Z"));
    private static final String SECRET = "hunter2-hunter2";

    private static AuditedSource source(Mode mode, Policy policy, AuditSink sink) {
        return new AuditedSource("static", mode, "default", policy, sink, CLOCK);
    }

    private static Rules rules(Action action) throws MalformedDataException {
        return new Rules(List.of(new Rule(Optional.of("r1"), Glob.of("*"), Optional.empty(), Map.of(), action, 3)));
    }

    private static PermissionVerdict resolve(PermissionSource source, Map<String, ?> args) {
        return source.resolve(Optional.empty(), ANN, "tool", args);
    }

    @Test
    void aRecordIsComplete() throws MalformedDataException {
        List<AuditRecord> kept = new ArrayList<>();
        PermissionVerdict verdict = source(Mode.ENFORCE, rules(Action.DENY), kept::add).resolve(Optional.of("prod"), ANN, "shell", new LinkedHashMap<>(Map.of("password", SECRET)));
        assertEquals(List.of(verdict.audit()), kept);
        Map<String, Object> fields = new LinkedHashMap<>(verdict.audit().toMap());
        assertTrue(((String) fields.remove("arguments_digest")).matches("[0-9a-f]{32}"));
        assertTrue((double) fields.remove("seconds") >= 0);
        Map<String, Object> expected = new LinkedHashMap<>();
        expected.put("at", "2026-11-22T10:00:00Z");
        expected.put("source", "static");
        expected.put("mode", "enforce");
        expected.put("scope", "prod");
        expected.put("identity", "ann");
        expected.put("tenant", "acme");
        expected.put("tool", "shell");
        expected.put("arguments", List.of("password"));
        expected.put("found", "deny");
        expected.put("action", "deny");
        expected.put("rule_id", "r1");
        expected.put("reason", "the rule in line 3 says deny");
        expected.put("details", Map.of());
        assertEquals(expected, fields);
    }

    @Test
    void observingAllowsAndSaysWhatItWouldHaveDone() throws MalformedDataException {
        for (Action action : Action.values()) {
            PermissionVerdict verdict = resolve(source(Mode.OBSERVE, rules(action), AuditSink.NONE), Map.of());
            assertEquals(Action.ALLOW, verdict.action());
            assertEquals(action, verdict.audit().found());
            assertEquals(action != Action.ALLOW, verdict.wouldHaveStopped());
            assertEquals("allow", verdict.audit().toMap().get("action"));
        }
    }

    @Test
    void aPolicyThatFailsDeniesWithoutQuoting() {
        PermissionVerdict verdict = resolve(source(Mode.ENFORCE, call -> {
            throw new IllegalStateException(SECRET);
        }, AuditSink.NONE), Map.of());
        assertEquals(Action.DENY, verdict.action());
        assertEquals(AuditedSource.FAILED, verdict.ruleId());
        assertFalse(verdict.toString().contains(SECRET), verdict.toString());
    }

    @Test
    void whatCannotBeRecordedDoesNotRun() throws MalformedDataException {
        AuditSink full = record -> {
            throw new IOException("disk full");
        };
        PermissionVerdict verdict = resolve(source(Mode.ENFORCE, rules(Action.ALLOW), full), Map.of());
        assertEquals(Action.DENY, verdict.action());
        assertEquals(AuditedSource.UNRECORDED, verdict.ruleId());
        PermissionVerdict observed = resolve(source(Mode.OBSERVE, rules(Action.ALLOW), full), Map.of());
        assertEquals(Action.ALLOW, observed.action());
        assertTrue(observed.wouldHaveStopped());
    }

    /** Whatever a model writes: within the bounds it is looked at, beyond them it is denied. */
    @Test
    void hostileArgumentsAreDenied() throws MalformedDataException {
        Map<String, Object> cyclic = new HashMap<>();
        cyclic.put("a", cyclic);
        Map<String, Object> unnamed = new HashMap<>();
        unnamed.put(null, "x");
        AuditedSource source = source(Mode.ENFORCE, rules(Action.ALLOW), AuditSink.NONE);
        for (Map<String, ?> args : List.of(cyclic, unnamed, Map.of("a", "x".repeat(Arguments.MAX_CHARS + 1)), Map.of("a", Collections.nCopies(Arguments.MAX_VALUES, 1L)),
                Map.of("a", Double.NaN), Map.of("a", BigInteger.TWO), Map.of("a", new Object()))) {
            assertEquals(AuditedSource.MALFORMED, resolve(source, args).ruleId());
            assertEquals(Action.DENY, resolve(source, args).action());
        }
        assertEquals(Action.DENY, resolve(source, null).action());
        for (String tool : new String[] {"", " ", "a\nb", "a\u202eb", "x".repeat(257), null}) {
            assertEquals(AuditedSource.MALFORMED, source.resolve(Optional.empty(), ANN, tool, Map.of()).ruleId());
        }
        assertEquals(AuditedSource.MALFORMED, source.resolve(Optional.of(""), ANN, "t", Map.of()).ruleId());
    }

    @Provide
    Arbitrary<Object> values() {
        Arbitrary<Object> scalar = Arbitraries.oneOf(Arbitraries.just(SECRET), Arbitraries.strings().ofMaxLength(20).map(text -> text + SECRET), Arbitraries.longs().map(Object.class::cast));
        Arbitrary<Object> list = scalar.list().ofMaxSize(3).map(Object.class::cast);
        return Arbitraries.oneOf(scalar, list, list.list().ofMaxSize(3).map(lists -> Map.of("inner", lists)));
    }

    /** No value of an argument is in a record, a verdict, or anything's words for itself. */
    @Property(tries = 500)
    void recordsHoldNoValues(@ForAll("values") Object value, @ForAll Action action, @ForAll Mode mode) throws MalformedDataException {
        Map<String, Object> args = new HashMap<>();
        args.put("token", value);
        PermissionVerdict verdict = resolve(source(mode, rules(action), AuditSink.NONE), args);
        Arguments arguments = Arguments.of(args);
        String said = verdict + Json.line(verdict.audit().toMap()) + arguments + new ToolCall("s", ANN, "tool", arguments)
                + (verdict.action() == Action.ASK ? PermissionQuestion.of(verdict, "tool", arguments) : "");
        assertFalse(said.contains(SECRET), said);
    }

    /** Equal calls have equal digests in one source; in another one they have not, so that a log cannot be guessed against. */
    @Test
    void digestsAreOfOneSource() throws MalformedDataException {
        AuditedSource source = source(Mode.ENFORCE, rules(Action.ALLOW), AuditSink.NONE);
        String digest = resolve(source, Map.of("a", "1")).audit().argumentsDigest();
        assertEquals(digest, resolve(source, Map.of("a", "1")).audit().argumentsDigest());
        assertNotEquals(digest, resolve(source, Map.of("a", "2")).audit().argumentsDigest());
        assertNotEquals(digest, resolve(source(Mode.ENFORCE, rules(Action.ALLOW), AuditSink.NONE), Map.of("a", "1")).audit().argumentsDigest());
    }

    @Test
    void aLogIsLinesOfJsonForItsOwner(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("audit.jsonl");
        for (int i = 0; i < 2; i++) {
            try (JsonLinesAudit log = new JsonLinesAudit(file)) {
                resolve(source(Mode.ENFORCE, rules(Action.ALLOW), log), Map.of("n", i));
            }
        }
        List<String> lines = Files.readAllLines(file);
        assertEquals(2, lines.size());
        for (String line : lines) {
            assertEquals("r1", Json.readObject(line).get("rule_id"));
        }
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
    }
}
