package dev.kvcapsule.codecs.klt;

import dev.kvcapsule.engine.cache.SubCache;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.OptionalDouble;

/**
 * Parameters of {@code klt}.
 *
 * @param basis "none", or the digest of a shared basis
 * @param own components of the capsule's own for each transform of a shared basis at most, or "auto" before the codec is fitted
 * @param group layers a transform, "all", or "auto" before the codec is fitted
 * @param step quantization step in the weighted space; empty before the codec is fitted
 * @param ratio what the capsule should be smaller by; empty if not asked for
 * @param maxError what the weighted relative error may be; empty if not asked for
 * @param sink first tokens, which are coded finely
 * @param window last tokens, which are tiles of their own, coded with half the step unless a basis predicts attention
 */
record KltSettings(String basis, String own, String group, OptionalDouble step, OptionalDouble ratio, OptionalDouble maxError, int sink, int window) {
    static final String NO_BASIS = "none";
    static final String ALL = "all";

    /** Components of the capsule's own for each transform. */
    static final int MAX_OWN = 512;

    static KltSettings of(CodecSpec spec) {
        KltSettings settings = new KltSettings(spec.parameters().get("basis"), spec.parameters().get("own"), spec.parameters().get("group"), decimal(spec, "step"), decimal(spec, "ratio"),
                decimal(spec, "max-error"), Integer.parseInt(spec.parameters().get("sink")), Integer.parseInt(spec.parameters().get("window")));
        if (!settings.basis.equals(NO_BASIS) && !settings.basis.matches("[0-9a-f]{64}")) {
            throw new IllegalArgumentException("codec klt: basis=" + settings.basis + " is neither none nor a digest of 64 hexadecimal digits");
        }
        if (!settings.group.equals(ALL) && !settings.group.equals(CodecParameter.AUTO) && !settings.group.matches("[1-9][0-9]{0,4}")) {
            throw new IllegalArgumentException("codec klt: group=" + settings.group + " is not one of all|auto|1..99999");
        }
        boolean counted = settings.own.matches("[0-9]{1,4}") && Integer.parseInt(settings.own) <= MAX_OWN;
        if (!settings.own.equals(CodecParameter.AUTO) && !counted) {
            throw new IllegalArgumentException("codec klt: own=" + settings.own + " is not one of auto|0.." + MAX_OWN);
        }
        if (!settings.hasSharedBasis() && counted && settings.mostOwn() > 0) {
            throw new IllegalArgumentException("codec klt: own=" + settings.own + " is for components besides those of a shared basis, and there is none");
        }
        if (settings.ratio.isPresent() && settings.maxError.isPresent()) {
            throw new IllegalArgumentException("codec klt: ratio and max-error both decide the step: give one of them");
        }
        return settings;
    }

    private static OptionalDouble decimal(CodecSpec spec, String name) {
        String value = spec.parameters().get(name);
        return value.equals(CodecParameter.AUTO) ? OptionalDouble.empty() : OptionalDouble.of(Double.parseDouble(value));
    }

    boolean hasSharedBasis() {
        return !basis.equals(NO_BASIS);
    }

    /** Whether nothing is left to the codec any more. */
    boolean isSettled() {
        return step.isPresent() && !group.equals(CodecParameter.AUTO) && !own.equals(CodecParameter.AUTO);
    }

    /** Whether the codec is to find out how many components of the capsule's own pay. */
    boolean leavesOwnOpen() {
        return own.equals(CodecParameter.AUTO);
    }

    /** Components of the capsule's own for each transform of a shared basis at most; not if that is left open. */
    int mostOwn() {
        return Integer.parseInt(own);
    }

    /** Layers a transform in that sub-cache; a codec that is not yet settled takes them one by one. */
    int layersPerGroup(SubCache sub) {
        if (group.equals(CodecParameter.AUTO)) {
            return 1;
        }
        return group.equals(ALL) ? Math.max(1, sub.layers().size()) : Integer.parseInt(group);
    }
}
