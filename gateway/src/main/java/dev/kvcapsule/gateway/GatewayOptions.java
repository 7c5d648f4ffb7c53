package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.keys.GenerationStore;
import dev.kvcapsule.engine.keys.KeyProvider;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.seal.ModelIdentity;
import dev.kvcapsule.serving.ModelFacts;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * What a gateway takes.
 *
 * @param listen where it listens; port 0 takes any that is free
 * @param tls its certificate; empty for plain HTTP
 * @param upstream the llama-server, {@code http://HOST:PORT}
 * @param slotDir the folder that the llama-server was given as {@code --slot-save-path}, on a disk of this machine; this gateway's alone
 * @param store the folder of capsules that are kept
 * @param credentials who may do what
 * @param keys who signs, wraps and unwraps; nothing of it leaves the gateway
 * @param revoker revokes what those keys have sealed
 * @param signer name of the signing key
 * @param lifetime how long a capsule may be used if its caller wants no shorter time
 * @param generations how far sessions have come
 * @param codec how caches are encoded
 * @param pipeline how the engine runs
 * @param facts what states do not say of the model
 * @param model what capsules are bound to; empty binds them to no model, and then only the llama-server's own checks keep caches of another one out
 * @param summarizer who writes summaries of sessions
 * @param sessionAge sessions that nobody has changed for so long are removed; empty keeps them until their own time is over
 * @param limits what it lets itself be asked for
 */
public record GatewayOptions(InetSocketAddress listen, Optional<ServerTls> tls, URI upstream, Path slotDir, Path store, Credentials credentials, KeyProvider keys, CapsuleRevoker revoker, String signer, Duration lifetime,
        GenerationStore generations, Codec codec, PipelineOptions pipeline, ModelFacts facts, Optional<ModelIdentity> model, SummarizerOptions summarizer, Optional<Duration> sessionAge, Limits limits) {
    /** @throws IllegalArgumentException if the upstream is no plain HTTP address */
    public GatewayOptions {
        if (!"http".equals(upstream.getScheme()) || upstream.getHost() == null || upstream.getRawPath() != null && upstream.getRawPath().length() > 1) {
            throw new IllegalArgumentException("the upstream is http://HOST:PORT, not '" + upstream + "'");
        }
    }

    int upstreamPort() {
        return upstream.getPort() < 0 ? 80 : upstream.getPort();
    }
}
