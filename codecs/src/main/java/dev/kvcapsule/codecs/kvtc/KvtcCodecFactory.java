package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code kvtc}. */
public final class KvtcCodecFactory implements CodecFactory {
    /** Stateless. */
    public KvtcCodecFactory() {}

    @Override
    public String name() {
        return "kvtc";
    }

    @Override
    public String description() {
        return "principal components over all layers, bits by dynamic programming, DEFLATE; needs a shared basis (KVTC, arXiv 2511.01815)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(
                CodecParameter.name("basis", KvtcSettings.NO_BASIS, "none|DIGEST", "the shared basis, which encoding needs"),
                CodecParameter.decimal("ratio", 1, 1000, "nominal ratio of the body, before DEFLATE and without sinks and window; auto: 16"),
                CodecParameter.number("sink", 4, 0, 1024, "first tokens, kept in FP8"),
                CodecParameter.number("window", 128, 0, 1 << 20, "last tokens, kept uncompressed"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return KvtcCodec.of(spec);
    }
}
