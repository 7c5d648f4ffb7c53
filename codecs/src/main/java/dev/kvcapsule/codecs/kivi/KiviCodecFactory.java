package dev.kvcapsule.codecs.kivi;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code kivi}. */
public final class KiviCodecFactory implements CodecFactory {
    @Override
    public String name() {
        return "kivi";
    }

    @Override
    public String description() {
        return "asymmetric group quantization, K per channel and V per token (KIVI, arXiv 2402.02750)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(
                CodecParameter.choice("bits", "4", List.of("2", "3", "4", "8"), "bits of a code"),
                CodecParameter.choice("group", "32", List.of("32", "64", "128"), "members of a group: tokens for K, channels for V"),
                CodecParameter.number("residual", 128, 0, 1 << 20, "last tokens that are kept exactly"),
                CodecParameter.number("sink", 0, 0, 1024, "first tokens that are kept exactly"),
                CodecParameter.choice("rope", "post", List.of("post", "pre"), "quantize K after or before RoPE"),
                CodecParameter.choice("entropy", "auto", List.of("auto", "off"), "entropy-code codes, zero points and steps where that wins"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return new KiviCodec(spec, Integer.parseInt(spec.parameters().get("bits")), Integer.parseInt(spec.parameters().get("group")),
                Integer.parseInt(spec.parameters().get("residual")), Integer.parseInt(spec.parameters().get("sink")),
                spec.parameters().get("rope").equals("pre"), spec.parameters().get("entropy").equals("auto"));
    }
}
