package dev.kvcapsule.sessions.permission;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A policy with all that is common to every source: bounds on what comes in, the mode, the record, and a deny wherever something goes wrong. */
public final class AuditedSource implements PermissionSource {
    /** Rule of calls that no policy has to look at. */
    public static final String MALFORMED = "malformed";

    /** Rule of calls whose policy failed: a bug of ours, which must not let anything through. */
    public static final String FAILED = "failed";

    /** Rule of calls whose record could not be kept. */
    public static final String UNRECORDED = "unrecorded";

    private final String label;
    private final Mode mode;
    private final String defaultScope;
    private final Policy policy;
    private final AuditSink sink;
    private final InstantSource clock;
    private final SecretKeySpec key;

    /**
     * @param label what the record calls the source
     * @param defaultScope scope of calls that name none
     * @param policy is closed with this
     * @param sink hears of each verdict before the caller does
     */
    public AuditedSource(String label, Mode mode, String defaultScope, Policy policy, AuditSink sink, InstantSource clock) {
        this.label = label;
        this.mode = mode;
        this.defaultScope = defaultScope;
        this.policy = policy;
        this.sink = sink;
        this.clock = clock;
        byte[] random = new byte[32];
        new SecureRandom().nextBytes(random);
        this.key = new SecretKeySpec(random, "HmacSHA256");
    }

    @Override
    public Identity start(Identity claimed) {
        try {
            return policy.start(claimed);
        } catch (RuntimeException e) {
            // Whatever kept it from starting keeps it from allowing, too.
            return claimed;
        }
    }

    @Override
    public PermissionVerdict resolve(Optional<String> scope, Identity identity, String tool, Map<String, ?> args) {
        long begin = System.nanoTime();
        String active = scope.orElse(defaultScope);
        List<String> names = List.of();
        String digest = "";
        Ruling ruling;
        try {
            Arguments arguments = Arguments.of(args);
            names = arguments.names().stream().limit(AuditRecord.MAX_NAMES).map(AuditedSource::brief).toList();
            digest = digest(arguments);
            ruling = Identity.isName(active) && Identity.isName(tool) ? policy.rule(new ToolCall(active, identity, tool, arguments))
                    : Ruling.deny(MALFORMED, "a tool's name, and a scope's, is 1 to " + Identity.MAX_LENGTH + " printable characters");
        } catch (MalformedDataException e) {
            ruling = Ruling.deny(MALFORMED, e.getMessage());
        } catch (RuntimeException e) {
            // Its message might quote what must not be in a record.
            ruling = Ruling.deny(FAILED, "the policy failed (" + e.getClass().getSimpleName() + "): this is a bug, please report it");
        }
        AuditRecord record = record(active, identity, tool, names, digest, ruling, (System.nanoTime() - begin) / 1e9);
        try {
            sink.keep(record);
        } catch (IOException | RuntimeException e) {
            // Nothing runs unseen.
            Ruling unrecorded = new Ruling(Action.DENY, UNRECORDED, "the record of this verdict could not be kept (" + e.getClass().getSimpleName() + "); the policy said "
                    + ruling.action().label() + " by " + ruling.ruleId(), ruling.details());
            record = record(active, identity, tool, names, digest, unrecorded, record.seconds());
        }
        return new PermissionVerdict(record.action(), record);
    }

    private AuditRecord record(String scope, Identity identity, String tool, List<String> names, String digest, Ruling ruling, double seconds) {
        Action action = mode == Mode.OBSERVE ? Action.ALLOW : ruling.action();
        return new AuditRecord(clock.instant(), label, mode, brief(scope), identity, brief(tool), names, digest, ruling.action(), action, ruling.ruleId(), ruling.reason(), seconds, ruling.details());
    }

    private static String brief(String text) {
        String line = text == null ? "" : MalformedDataException.oneLine(text);
        return line.length() <= Identity.MAX_LENGTH ? line : line.substring(0, Identity.MAX_LENGTH);
    }

    private String digest(Arguments arguments) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return HexFormat.of().formatHex(mac.doFinal(arguments.json().getBytes(StandardCharsets.UTF_8)), 0, 16);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HMAC-SHA-256", e);
        }
    }

    @Override
    public void close() {
        policy.close();
    }
}
