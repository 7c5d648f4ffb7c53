package dev.kvcapsule.cli;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.keys.GenerationFolder;
import dev.kvcapsule.engine.keys.GenerationStore;
import dev.kvcapsule.engine.keys.VerificationKeys;
import dev.kvcapsule.engine.seal.Caller;
import dev.kvcapsule.engine.seal.CapsuleOpening;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.RefusalLog;
import dev.kvcapsule.engine.seal.RestoreContext;
import dev.kvcapsule.engine.seal.RestorePolicy;
import dev.kvcapsule.engine.seal.RuntimeRange;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a capsule is opened. It must be sealed, unless {@code --unsealed} says otherwise. */
final class OpenOptions {
    private static final String HINT = "give --unsealed for a capsule without a seal";
    private static final List<String> CALLER = List.of("org", "user", "session", "permission");

    @Option(names = "--unsealed", description = "Read a capsule without a seal, which anybody could have made or changed.")
    private boolean unsealed;

    @Option(names = "--as", paramLabel = "org=O,user=U", description = "Who asks for the capsule; also session=S and permission=P.")
    private String caller;

    @Option(names = "--runtime", paramLabel = "NAME:VERSION", description = "The program that it is for, to be checked against what it is bound to.")
    private String runtime;

    @Option(names = "--explain", description = "Say on standard error why a capsule is refused, in more words than its caller may hear: for operators.")
    private boolean explain;

    @Mixin
    private KeyOptions keys;

    boolean isSealed() {
        return !unsealed;
    }

    /** Whether it is said who asks. */
    boolean hasCaller() {
        return caller != null;
    }

    /** Whether it is said which program it is for. */
    boolean hasRuntime() {
        return runtime != null;
    }

    /** Opens the file. With a seal, a capsule that is not there and one that is another's look the same to who asks for it. */
    InputFile open(Path capsule) throws IOException {
        if (isSealed() && hasCaller() && !Inputs.isStandard(capsule) && Files.notExists(capsule)) {
            throw CapsuleRefusedException.notFound();
        }
        return Inputs.open(capsule);
    }

    /** Verifies a sealed capsule without opening it. */
    PublicOpening verifying() throws IOException {
        return PublicOpening.verifying(publicKeys(), InstantSource.system());
    }

    /** The keys that signatures are checked with. */
    VerificationKeys publicKeys() throws IOException {
        return keys.publicKeys("give --unsealed for what has no seal");
    }

    /**
     * Opens a sealed capsule.
     *
     * @param context what it would be restored into; the runtime is added
     * @param use whether it is restored, which its session takes note of, and not only verified
     */
    CapsuleOpening opening(RestoreContext context, boolean use, boolean allowOlder, PrintWriter err) throws IOException {
        RestorePolicy policy = policy(context, use, allowOlder, err);
        return new CapsuleOpening(keys.opened(HINT), policy);
    }

    /** The same for a capsule that may go on from chunks. */
    CapsuleOpening incremental(RestoreContext context, boolean use, boolean allowOlder, PrintWriter err) throws IOException {
        RestorePolicy policy = policy(context, use, allowOlder, err);
        return CapsuleOpening.incremental(keys.opened(HINT), policy);
    }

    private RestorePolicy policy(RestoreContext context, boolean use, boolean allowOlder, PrintWriter err) throws IOException {
        if (caller == null) {
            throw new Failures.UsageException("who asks for it? Give --as org=ORG,user=USER, or --unsealed for a capsule without a seal");
        }
        if (keys.isKeySet()) {
            throw new Failures.UsageException("--keys names a set of public keys, which open nothing: give a registry");
        }
        Pairs pairs = new Pairs("--as", caller, CALLER);
        Caller who = new Caller(pairs.required("org"), pairs.required("user"), pairs.optional("session"), pairs.optional("permission").map(Set::of).orElse(Set.of()));
        RefusalLog log = (code, detail) -> {
            if (explain || allowOlder && code == RefusalCode.REPLAYED) {
                err.println("capsule: operator: " + code.label() + ": " + detail);
            }
        };
        try {
            RestoreContext known = new RestoreContext(context.model(), Optional.ofNullable(runtime).map(RuntimeRange::parse), context.structure(), context.tokens(), context.strict());
            Optional<GenerationStore> generations = use ? Optional.of(new GenerationFolder(SealOptions.generations(keys))) : Optional.empty();
            return new RestorePolicy(who, known, InstantSource.system(), generations, allowOlder, log);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }
}
