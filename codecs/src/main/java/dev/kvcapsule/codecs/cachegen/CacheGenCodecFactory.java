package dev.kvcapsule.codecs.cachegen;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code cachegen}. */
public final class CacheGenCodecFactory implements CodecFactory {
    /** Stateless. */
    public CacheGenCodecFactory() {}

    @Override
    public String name() {
        return "cachegen";
    }

    @Override
    public String description() {
        return "differences to an anchor token in each group of tokens, coarser in later layers, entropy-coded by channel (CacheGen, arXiv 2310.07240)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(
                CodecParameter.number("level", 3, 1, 6, "1 is finest; each level doubles the bins, 3 is the published one"),
                CodecParameter.number("group", 10, 2, 64, "tokens of a group, the first of which is its anchor"),
                CodecParameter.choice("rope", "post", List.of("post", "pre"), "code K after or before RoPE"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return new CacheGenCodec(spec, Integer.parseInt(spec.parameters().get("level")), Integer.parseInt(spec.parameters().get("group")),
                spec.parameters().get("rope").equals("pre"), 0);
    }
}
