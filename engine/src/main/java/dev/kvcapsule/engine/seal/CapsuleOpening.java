package dev.kvcapsule.engine.seal;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.format.Manifest;
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
 * Opens one sealed capsule, once, or refuses it. In this order: whose it says it is, key known and valid, signature, permission, revocation, time, generation, what it was made
 * for, data key; then each frame's tag before its bytes are used; then trailer and Merkle root; then keys, revocation and time once more, and the generation is noted. Give it to
 * {@link dev.kvcapsule.engine.format.CapsuleReader}, and close it afterwards.
 */
public final class CapsuleOpening extends KeyedOpening<SealClaims> {
    private final CryptoProvider crypto;
    private final boolean incremental;
    private boolean forked;

    /**
     * @param keys who verifies, and unwraps the data key
     * @param policy what must hold
     */
    public CapsuleOpening(KeyProvider keys, RestorePolicy policy) {
        this(keys, policy, CryptoProvider.best());
    }

    /** The same with that provider. */
    public CapsuleOpening(KeyProvider keys, RestorePolicy policy, CryptoProvider crypto) {
        this(keys, policy, crypto, false);
    }

    private CapsuleOpening(KeyProvider keys, RestorePolicy policy, CryptoProvider crypto, boolean incremental) {
        super(Envelope.ofCapsule(crypto), keys, policy, crypto);
        this.crypto = crypto;
        this.incremental = incremental;
    }

    /**
     * Opens a capsule that may go on from chunks: whoever puts them together calls {@link #acceptWhole} when all of them have held, which is when the capsule is used.
     *
     * @param keys who verifies, and unwraps the data key
     * @param policy what must hold
     */
    public static CapsuleOpening incremental(KeyProvider keys, RestorePolicy policy) {
        return new CapsuleOpening(keys, policy, CryptoProvider.best(), true);
    }

    /** What the capsule is bound to; known once its manifest has been read. */
    public SealClaims claims() {
        return envelope.claims();
    }

    @Override
    public Manifest manifest(MemorySegment payload, long offset) throws IOException {
        return logged(() -> {
            Instant now = policy.clock().instant();
            readOwn(payload, offset);
            envelope.verify(keys, now);
            checkPermission();
            envelope.checkValid(keys, now);
            checkGeneration();
            checkContext();
            checkWhole();
            opened.open(claims());
            checkPrefix();
            return envelope.manifest();
        });
    }

    /** Whose it says it is comes before its keys and signatures: what those are is nobody else's business, either. */
    private void readOwn(MemorySegment payload, long offset) throws IOException {
        try {
            envelope.read(payload, offset);
        } catch (MalformedDataException e) {
            policy.log().refused(RefusalCode.DAMAGED, e.getMessage());
            throw CapsuleRefusedException.notFound();
        }
        checkOwner();
    }

    private void checkOwner() throws CapsuleRefusedException {
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
    }

    private void checkPermission() throws CapsuleRefusedException {
        Optional<String> permission = claims().scope().permission();
        if (permission.isPresent() && !policy.caller().permissions().contains(permission.get())) {
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

    private Optional<GenerationStore.Session> session() {
        Scope scope = claims().scope();
        return scope.session().map(session -> new GenerationStore.Session(scope.org(), scope.user(), session));
    }

    private void checkGeneration() throws IOException {
        if (policy.generations().isPresent() && session().isPresent()) {
            checkGeneration(policy.generations().get().highest(session().get()));
        }
    }

    private void checkGeneration(long highest) throws CapsuleRefusedException {
        if (claims().generation() >= highest || forked) {
            return;
        }
        String message = "is generation " + claims().generation() + " of its session, which has reached " + highest;
        if (!policy.allowOlder()) {
            throw new CapsuleRefusedException(RefusalCode.REPLAYED, message);
        }
        forked = true;
        policy.log().refused(RefusalCode.REPLAYED, message + "; let through as a fork");
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

    /** What goes on from chunks holds the last tokens only: alone it is no cache. */
    private void checkWhole() throws CapsuleRefusedException {
        if (!incremental && !claims().chunks().isEmpty()) {
            throw new CapsuleRefusedException(RefusalCode.INCOMPLETE, "is the end of an incremental capsule, whose first " + claims().chunkTokens()
                    + " tokens are in " + claims().chunks().size() + " chunks: 'capsule export' puts them together");
        }
        PositionRange positions = claims().positions();
        if (positions.end() > 0 && positions.first() != claims().chunkTokens() && !claims().chunks().isEmpty()) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_POSITIONS, "does not begin where its chunks end");
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
                || !MessageDigest.isEqual(PrefixDigest.of(opened.dataKey().prefixSecret(), wanted.get(), count), claims().prefixDigest().get())) {
            throw new CapsuleRefusedException(RefusalCode.WRONG_PREFIX, "holds " + count + " tokens that are not the first ones of those wanted");
        }
    }

    @Override
    public Trailer trailer(MemorySegment payload, long offset) throws IOException {
        return logged(() -> envelope.trailer(payload, offset));
    }

    @Override
    public void accept() throws IOException {
        if (!incremental) {
            acceptWhole();
        }
    }

    /** Everything has been read and held, chunks included: checks once more what may have changed meanwhile, and notes the generation. */
    public void acceptWhole() throws IOException {
        logged(() -> {
            envelope.checkStillValid(keys, policy.clock().instant());
            opened.checkStillGiven(claims());
            if (policy.generations().isPresent() && session().isPresent()) {
                checkGeneration(policy.generations().get().raise(session().get(), claims().generation()));
            }
            return null;
        });
    }

    /**
     * What opens a chunk that this capsule goes on from.
     *
     * @param index its number
     * @throws IllegalStateException before the manifest has been read
     */
    public ChunkOpening chunk(int index) {
        envelope.requireOpen();
        return new ChunkOpening(keys, policy, claims(), envelope.manifest(), index, crypto);
    }
}
