package dev.kvcapsule.cli;

import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.GenerationStore;
import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.VerificationKey;
import dev.kvcapsule.engine.seal.AeadAlgorithm;
import dev.kvcapsule.engine.seal.CapsuleSeal;
import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.engine.seal.RuntimeRange;
import dev.kvcapsule.engine.seal.Scope;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.engine.seal.SealSpec;
import dev.kvcapsule.serving.PromptTokens;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a capsule is sealed. It is, unless {@code --unsealed} says otherwise. */
final class SealOptions {
    private static final List<String> SCOPE = List.of("org", "user", "session", "permission");

    @Option(names = "--unsealed", description = "Write a capsule without a seal, which anybody can read and change.")
    private boolean unsealed;

    @Option(names = "--scope", paramLabel = "org=O,user=U", description = "Whose the capsule is; also session=S and permission=P.")
    private String scope;

    @Option(names = "--sign", paramLabel = "KID", description = "The signing key (default: the newest).")
    private String signer;

    @Option(names = "--seal-to", paramLabel = "TENANT", description = "Whose wrapping key it is encrypted under (default: the scope's org).")
    private String tenant;

    @Option(names = "--expires", paramLabel = "7d", description = "How long it may be used: a number and s, m, h or d (default: 7d, or as long as the signing key).", converter = DurationConverter.class)
    private Duration lifetime;

    @Option(names = "--runtime", paramLabel = "NAME:A..B", description = "The program and versions that it is for, such as llama.cpp:1.2..1.9.")
    private String runtime;

    @Option(names = "--cipher", paramLabel = "NAME", description = "aes-256-gcm (the default) or chacha20-poly1305.", defaultValue = "aes-256-gcm")
    private String cipher;

    @Mixin
    private KeyOptions keys;

    boolean isSealed() {
        return !unsealed;
    }

    /** What the seal will be, as far as it is known before the state is read: whatever is wrong with it is told at once. */
    SealSpec plan(Optional<ModelIdentity> model, PrintWriter err) throws IOException {
        if (scope == null) {
            throw new Failures.UsageException("whose capsule is it? Give --scope org=ORG,user=USER, or --unsealed for one that anybody can read and change");
        }
        KeyFolder folder = keys.opened("give --unsealed for a capsule that anybody can read and change");
        Pairs pairs = new Pairs("--scope", scope, SCOPE);
        Instant now = Instant.now();
        String org = pairs.required("org");
        String key = signer != null ? signer : folder.defaultSigner(now).orElseThrow(
                () -> new Failures.UsageException("no key in " + keys.folder() + " can sign now: make one with 'capsule keys new'")).kid();
        try {
            Scope whose = new Scope(org, pairs.required("user"), pairs.optional("session"), pairs.optional("permission"));
            String wrapping = tenant == null ? org : tenant;
            folder.epoch(wrapping);
            return new SealSpec("capsule", key, wrapping, whose, now, now, lifetime(folder, key, now, err), 0, model, Optional.ofNullable(runtime).map(RuntimeRange::parse), Optional.empty(),
                    AeadAlgorithm.ofLabel(cipher));
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }

    /** A capsule is refused as soon as one of its keys is not valid any more: it must not say that it lives longer. */
    private Duration lifetime(KeyFolder folder, String signer, Instant now, PrintWriter err) throws IOException {
        Duration wanted = lifetime == null ? SealSpec.DEFAULT_LIFETIME : lifetime;
        Optional<VerificationKey> key = folder.publicKey(signer);
        Optional<VerificationKey> pair = key.isPresent() && key.get().pair().isPresent() ? folder.publicKey(key.get().pair().get()) : Optional.empty();
        Optional<Instant> end = Stream.of(key, pair).flatMap(Optional::stream).map(VerificationKey::notAfter).flatMap(Optional::stream).min(Comparator.naturalOrder());
        if (end.isEmpty() || !now.plus(wanted).isAfter(end.get())) {
            return wanted;
        }
        if (lifetime != null) {
            throw new Failures.UsageException("--expires: key " + signer + " is valid until " + end.get() + " only, and so is what it signs: give less, or another key with --sign");
        }
        Duration left = Duration.between(now, end.get());
        if (left.getSeconds() < 1) {
            throw new Failures.UsageException("key " + signer + " is valid until " + end.get() + " only: make another one with 'capsule keys new'");
        }
        err.println("capsule: note: the capsule can be used until " + end.get() + " only, as its signing key " + signer + " can");
        return left;
    }

    /** The seal itself, with the tokens of the cache and the next generation of its session. */
    CapsuleSeal seal(SealSpec plan, KvCache cache) throws IOException {
        Optional<int[]> tokens = PromptTokens.of(cache);
        Optional<GenerationStore.Session> session = session(plan.scope());
        long generation = session.isEmpty() ? 0 : new GenerationFolder(generations(keys)).next(session.get());
        SealSpec spec = plan.withGeneration(generation);
        return new CapsuleSeal(tokens.map(spec::withTokens).orElse(spec), keys.open());
    }

    /** Notes that the capsule is written: from now on older ones of its session are replays. */
    void written(SealClaims claims) throws IOException {
        Optional<GenerationStore.Session> session = session(claims.scope());
        if (session.isPresent()) {
            new GenerationFolder(generations(keys)).raise(session.get(), claims.generation());
        }
    }

    private static Optional<GenerationStore.Session> session(Scope scope) {
        return scope.session().map(session -> new GenerationStore.Session(scope.org(), scope.user(), session));
    }

    /** Where it is noted how far sessions have come. */
    static Path generations(KeyOptions keys) {
        return keys.folder().resolve("generations");
    }
}
