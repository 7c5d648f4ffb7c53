package dev.kvcapsule.codecs.fp8;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code fp8}. */
public final class Fp8CodecFactory implements CodecFactory {
    @Override
    public String name() {
        return "fp8";
    }

    @Override
    public String description() {
        return "8-bit floating point E4M3 with a power-of-two scale per 32 channels (OCP MX 1.0)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(CodecParameter.choice("entropy", "auto", List.of("auto", "off"), "entropy-code the bytes where that wins"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return new Fp8Codec(spec, spec.parameters().get("entropy").equals("auto"));
    }
}
