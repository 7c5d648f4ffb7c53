package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.format.Frame;
import dev.kvcapsule.engine.format.FrameOpener;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.format.Opening;
import dev.kvcapsule.engine.format.Trailer;
import dev.kvcapsule.engine.keys.GenerationStore;
import dev.kvcapsule.engine.keys.KeyProvider;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Optional;

/**
 * Opens one sealed capsule, or refuses it. In this order: key known and valid, signature, whose it is, revocation, time, generation, what it was made for, data key; then each
 * frame's tag before its bytes are used; then trailer and Merkle root; then the generation is noted. Give it to {@link
 * dev.kvcapsule.engine.format.CapsuleReader}, and close it afterwards.
 */
public final class CapsuleOpening implements Opening {
    private final KeyProvider keys;
    private final RestorePolicy policy;
    private final CryptoProvider crypto;
    private final Envelope envelope;
    private DataKey dataKey;
    private FrameKeys frameKeys;

    /**
     * @param keys who verifies, and unwraps the data key
     * @param policy what must hold
     */
    public CapsuleOpening(KeyProvider keys, RestorePolicy policy) {
        this(keys, policy, CryptoProvider.best());
    }

    /** The same with that provider. */
    public CapsuleOpening(KeyProvider keys, RestorePolicy policy, CryptoProvider crypto) {
        this.keys = keys;
        this.policy = policy;
        this.crypto = crypto;
        this.envelope = new Envelope(crypto);
    }

    /** What the capsule is bound to; known once its manifest has been read. */
    public SealClaims claims() {
        return envelope.claims();
    }

    @Override
    public boolean isSealed() {
        return true;
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        Instant now = policy.clock().instant();
        try {
            envelope.open(payload, offset, Optional.of(keys), now);
            checkScope();
            if (keys.isRevoked(claims().capsuleId())) {
                throw new CapsuleRefusedException(RefusalCode.REVOKED, "the capsule has been revoked");
            }
            checkTime(now);
            checkGeneration();
            checkContext();
            openDataKey();
            checkPrefix();
        } catch (CapsuleRefusedException e) {
            if (e.code() != RefusalCode.NOT_FOUND) {
                policy.log().refused(e.code(), e.getMessage());
            }
            throw e;
        }
        return envelope.manifest();
    }

    private void checkScope() throws CapsuleRefusedException {
        Scope scope = claims().scope();
        Caller caller = policy.caller();
        if (!equal(scope.org(), caller.org())) {
            throw notYours(RefusalCode.WRONG_ORG);
        }
        if (!equal(scope.user(), caller.user())) {
            throw notYours(RefusalCode.WRONG_USER);
        }
        if (scope.session().isPresent() && !equal(scope.session().get(), caller.session().orElse(""))) {
            throw notYours(RefusalCode.WRONG_SESSION);
        }
        if (scope.permission().isPresent() && !caller.permissions().contains(scope.permission().get())) {
            throw new CapsuleRefusedException(RefusalCode.PERMISSION, "takes a permission that the caller does not have");
        }
    }

    private CapsuleRefusedException notYours(RefusalCode code) {
        policy.log().refused(code, "capsule " + claims().id() + " is not the caller's");
        return CapsuleRefusedException.notFound();
    }

    private static boolean equal(String a, String b) {
        return MessageDigest.isEqual(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    }

    private void checkTime(Instant now) throws CapsuleRefusedException {
        if (now.isBefore(claims().notBefore())) {
            throw new CapsuleRefusedException(RefusalCode.NOT_YET_VALID, "is valid from " + claims().notBefore() + " on");
        }
        if (!now.isBefore(claims().expires())) {
            throw new CapsuleRefusedException(RefusalCode.EXPIRED, "expired at " + claims().expires());
        }
    }

    private Optional<GenerationStore.Session> session() {
        Scope scope = claims().scope();
        return scope.session().map(session -> new GenerationStore.Session(scope.org(), scope.user(), session));
    }

    private void checkGeneration() throws IOException {
        if (policy.generations().isEmpty() || session().isEmpty()) {
            return;
        }
        long highest = policy.generations().get().highest(session().get());
        if (claims().generation() < highest) {
            String message = "is generation " + claims().generation() + " of its session, which has reached " + highest;
            if (!policy.allowOlder()) {
                throw new CapsuleRefusedException(RefusalCode.REPLAYED, message);
            }
            policy.log().refused(RefusalCode.REPLAYED, message + "; let through as a fork");
        }
    }

    private void checkContext() throws CapsuleRefusedException {
        RestoreContext context = policy.context();
        checkModel(context);
        if (context.runtime().isEmpty()) {
            bound(claims().runtime().isPresent(), RefusalCode.WRONG_RUNTIME, "a runtime");
        } else if (claims().runtime().isPresent() && !claims().runtime().get().contains(context.runtime().get())) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_RUNTIME, "is for " + claims().runtime().get() + ", not for " + context.runtime().get());
        }
        if (context.structure().isPresent()) {
            checkStructure(context.structure().get());
        }
        if (!claims().positions().equals(PositionRange.of(envelope.manifest().layout()))) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, "says other positions than its cache has");
        }
    }

    private void bound(boolean isBound, RefusalCode code, String to) throws CapsuleRefusedException {
        if (isBound && policy.context().strict()) {
            throw new CapsuleRefusedException(code, "is bound to " + to + ", and it is not known which one is used here");
        }
    }

    private void checkModel(RestoreContext context) throws CapsuleRefusedException {
        if (context.model().isEmpty() || claims().model().isEmpty()) {
            bound(claims().model().isPresent(), RefusalCode.WRONG_MODEL, "a model");
            return;
        }
        ModelIdentity made = claims().model().get();
        ModelIdentity here = context.model().get();
        differs(made.weights(), here.weights(), RefusalCode.WRONG_WEIGHTS, "weights");
        differs(made.tokenizer(), here.tokenizer(), RefusalCode.WRONG_TOKENIZER, "a tokenizer");
        if (!made.id().equals(here.id())) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_MODEL, "was made with model '" + made.id() + "', not with '" + here.id() + "'");
        }
    }

    private void differs(Optional<String> made, Optional<String> here, RefusalCode code, String what) throws CapsuleRefusedException {
        if (here.isEmpty()) {
            bound(made.isPresent(), code, what);
        } else if (made.isPresent() && !equal(made.get(), here.get())) {
            throw new CapsuleRefusedException(code, "was made with " + what + " of digest " + made.get() + ", not " + here.get());
        }
    }

    private void checkStructure(CacheStructure structure) throws CapsuleRefusedException {
        for (SubCache sub : envelope.manifest().layout().subCaches()) {
            for (LayerLayout layer : sub.layers()) {
                if (!structure.accepts(layer)) {
                    throw new CapsuleRefusedException(RefusalCode.WRONG_STRUCTURE, "layer " + layer.layer() + " has other heads, channels, types, window or RoPE than here");
                }
            }
        }
    }

    private void openDataKey() throws IOException {
        byte[] context = CapsuleSeal.context(claims().capsuleId(), claims().tenant(), claims().epoch());
        dataKey = new DataKey(keys.unwrap(claims().tenant(), claims().epoch(), claims().wrappedKey(), context), claims().capsuleId());
        if (!MessageDigest.isEqual(dataKey.commitment(), claims().keyCommitment())) {
            throw new CapsuleRefusedException(RefusalCode.DATA_KEY, "the data key is not the one that the manifest commits to");
        }
    }

    private void checkPrefix() throws CapsuleRefusedException {
        Optional<int[]> wanted = policy.context().tokens();
        if (wanted.isEmpty() || claims().prefixDigest().isEmpty()) {
            bound(claims().prefixDigest().isPresent(), RefusalCode.WRONG_PREFIX, "tokens");
            return;
        }
        int count = (int) claims().prefixTokens();
        if (count > wanted.get().length
                || !MessageDigest.isEqual(PrefixDigest.of(dataKey.prefixSecret(), wanted.get(), count), claims().prefixDigest().get())) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_PREFIX, "holds " + count + " tokens that are not the first ones of those wanted");
        }
    }

    @Override
    public synchronized FrameOpener newOpener(long lastFrame) {
        if (frameKeys == null) {
            frameKeys = new FrameKeys(claims().aead(), dataKey, claims().capsuleId(), envelope.manifestDigest(), lastFrame);
        }
        return new SealedFrames(frameKeys.aead(crypto), crypto.leafHash(), frameKeys, policy.log());
    }

    @Override
    public void checked(byte[] leaf) {
        envelope.checked(leaf);
    }

    @Override
    public void clear(Frame frame) {
        envelope.clear(frame);
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws IOException {
        try {
            return envelope.trailer(payload, offset);
        } catch (CapsuleRefusedException e) {
            policy.log().refused(e.code(), e.getMessage());
            throw e;
        }
    }

    @Override
    public void accept() throws IOException {
        if (policy.generations().isPresent() && session().isPresent()) {
            policy.generations().get().raise(session().get(), claims().generation());
        }
    }

    @Override
    public IOException refusal(MalformedDataException damage) {
        RefusalCode code = damage.isTruncated() ? RefusalCode.TRUNCATED : RefusalCode.DAMAGED;
        policy.log().refused(code, damage.getMessage());
        return new CapsuleRefusedException(code, damage.getMessage());
    }

    @Override
    public void close() {
        envelope.close();
        if (dataKey != null) {
            dataKey.close();
        }
        if (frameKeys != null) {
            frameKeys.close();
        }
    }
}
