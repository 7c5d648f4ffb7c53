package dev.kvcapsule.codecs.rotated;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;
import java.util.Map;

/** Registers {@code rotated}. */
public final class RotatedCodecFactory implements CodecFactory {
    @Override
    public String name() {
        return "rotated";
    }

    @Override
    public String description() {
        return "randomized Hadamard rotation and Lloyd-Max quantization with a gain per head (TurboQuant, arXiv 2504.19874)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(
                CodecParameter.choice("bits", "4", List.of("2", "3", "4"), "bits of a code"),
                CodecParameter.number("residual", 0, 0, 1 << 20, "last tokens that are kept exactly"),
                CodecParameter.number("sink", 4, 0, 1024, "first tokens that are kept exactly"),
                CodecParameter.choice("rope", "pre", List.of("post", "pre"), "quantize K after or before RoPE"),
                CodecParameter.choice("mean", "on", List.of("on", "off"), "subtract each channel's mean over a tile first"),
                CodecParameter.number("seed", 1, 0, Integer.MAX_VALUE, "of the rotation's random signs"),
                CodecParameter.choice("entropy", "auto", List.of("auto", "off"), "entropy-code codes, gains and means where that wins"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        Map<String, String> p = spec.parameters();
        return new RotatedCodec(spec, Integer.parseInt(p.get("bits")), Integer.parseInt(p.get("residual")), Integer.parseInt(p.get("sink")),
                p.get("rope").equals("pre"), p.get("mean").equals("on"), Long.parseLong(p.get("seed")), p.get("entropy").equals("auto"));
    }
}
