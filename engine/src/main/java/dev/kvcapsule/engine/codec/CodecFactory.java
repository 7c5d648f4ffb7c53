package dev.kvcapsule.engine.codec;

import java.util.List;

/** Makes codecs of one kind. Implementations are registered as services and have no state. */
public interface CodecFactory {
    /** The name in a {@link CodecSpec}. */
    String name();

    /** The published algorithm in one line, for help. */
    String description();

    /** Every parameter. */
    List<CodecParameter> parameters();

    /**
     * @param spec this codec's name and a checked value for every parameter
     * @throws IllegalArgumentException if the parameters contradict each other
     */
    Codec create(CodecSpec spec);
}
