package dev.kvcapsule.codecs.svd;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** Registers {@code svd}. */
public final class SvdCodecFactory implements CodecFactory {
    /** Stateless. */
    public SvdCodecFactory() {}

    @Override
    public String name() {
        return "svd";
    }

    @Override
    public String description() {
        return "low rank per prompt with quantized factors, K before RoPE and V (the family of xKV, arXiv 2503.18893, and SVDq, arXiv 2502.15304)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(
                CodecParameter.number("rank", 64, 1, 4096, "components kept of K and of V, for each group of layers"),
                CodecParameter.choice("bits", "8", List.of("4", "8"), "bits of a token's coefficient"),
                CodecParameter.number("layers", 1, 1, 1024, "layers that share their components (xKV)"),
                CodecParameter.number("sink", 4, 0, 1024, "first tokens that are kept exactly"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return new SvdCodec(spec, Integer.parseInt(spec.parameters().get("rank")), Integer.parseInt(spec.parameters().get("bits")),
                Integer.parseInt(spec.parameters().get("layers")), Integer.parseInt(spec.parameters().get("sink")), MemorySegment.NULL, null);
    }
}
