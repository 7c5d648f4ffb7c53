package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.List;

/** Registers {@code klt}. */
public final class KltCodecFactory implements CodecFactory {
    /** Stateless. */
    public KltCodecFactory() {}

    @Override
    public String name() {
        return "klt";
    }

    @Override
    public String description() {
        return "joint Karhunen-Loeve transform of K and V over layers, context-modelled entropy coding (after KVTC, arXiv 2511.01815)";
    }

    @Override
    public List<CodecParameter> parameters() {
        return List.of(
                CodecParameter.name("basis", KltSettings.NO_BASIS, "none|DIGEST", "the shared basis; none: one of the capsule's own"),
                CodecParameter.name("own", CodecParameter.AUTO, "auto|0.." + KltSettings.MAX_OWN,
                        "components of the capsule's own for each transform of a shared basis at most; auto: as many as pay"),
                CodecParameter.name("group", CodecParameter.AUTO, "auto|all|1..", "layers a transform"),
                CodecParameter.decimal("step", 0.001, 1000, "quantization step in the weighted space"),
                CodecParameter.decimal("ratio", 1, 10000, "choose the step so that the capsule is smaller by this"),
                CodecParameter.decimal("max-error", 0.000001, 1, "choose the step so that the weighted relative error is at most this"),
                CodecParameter.number("sink", 4, 0, 1024, "first tokens, coded finely"),
                CodecParameter.number("window", 128, 0, 1 << 20, "last tokens, coded with half the step unless the basis predicts attention"));
    }

    @Override
    public Codec create(CodecSpec spec) {
        return KltCodec.of(spec);
    }
}
