package dev.kvcapsule.codecs.kvtc;

import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;

/**
 * Parameters of {@code kvtc}.
 *
 * @param basis "none", or the digest of the shared basis
 * @param ratio what the body is smaller by before DEFLATE
 * @param sink first tokens, which are kept in FP8
 * @param window last tokens, which are not compressed
 */
record KvtcSettings(String basis, double ratio, int sink, int window) {
    static final String NO_BASIS = "none";

    private static final double USUAL_RATIO = 16;

    static KvtcSettings of(CodecSpec spec) {
        String basis = spec.parameters().get("basis");
        if (!basis.equals(NO_BASIS) && !basis.matches("[0-9a-f]{64}")) {
            throw new IllegalArgumentException("codec kvtc: basis=" + basis + " is neither none nor a digest of 64 hexadecimal digits");
        }
        String ratio = spec.parameters().get("ratio");
        return new KvtcSettings(basis, ratio.equals(CodecParameter.AUTO) ? USUAL_RATIO : Double.parseDouble(ratio), Integer.parseInt(spec.parameters().get("sink")),
                Integer.parseInt(spec.parameters().get("window")));
    }
}
