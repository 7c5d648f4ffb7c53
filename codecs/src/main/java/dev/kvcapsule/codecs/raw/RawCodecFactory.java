package dev.kvcapsule.codecs.raw;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code raw}. */
public final class RawCodecFactory implements CodecFactory {
    @Override
    public String name() {
        return "raw";
    }

    @Override
    public String description() {
        return "the bytes as they are";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of();
    }

    @Override
    public Codec create(CodecSpec spec) {
        return new RawCodec(spec);
    }
}
