package dev.kvcapsule.codecs.lossless;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code lossless}. */
public final class LosslessCodecFactory implements CodecFactory {
    @Override
    public String name() {
        return "lossless";
    }

    @Override
    public String description() {
        return "byte planes and rANS with tables by channel: every bit comes back";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(CodecParameter.number("classes", 4, 1, 64, "most tables a byte plane of a tile may use"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return new LosslessCodec(spec, Integer.parseInt(spec.parameters().get("classes")));
    }
}
