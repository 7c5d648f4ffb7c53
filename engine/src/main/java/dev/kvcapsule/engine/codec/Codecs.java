package dev.kvcapsule.engine.codec;

import java.util.Collection;
import java.util.Collections;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;

/** The codecs that this installation has, by name. */
public final class Codecs {
    /** The codec that tiles fall back to when their own cannot carry them; every installation has it. */
    public static final String LOSSLESS = "lossless";

    private static final Map<String, CodecFactory> BY_NAME = load();

    private Codecs() {}

    private static Map<String, CodecFactory> load() {
        Map<String, CodecFactory> found = new TreeMap<>();
        for (CodecFactory factory : ServiceLoader.load(CodecFactory.class, Codecs.class.getClassLoader())) {
            if (found.put(factory.name(), factory) != null) {
                throw new IllegalStateException("two codecs are named " + factory.name());
            }
        }
        return Collections.unmodifiableMap(found);
    }

    /** All of them, by name. */
    public static Collection<CodecFactory> all() {
        return BY_NAME.values();
    }

    /** @throws IllegalArgumentException if there is no codec of that name */
    public static CodecFactory factory(String name) {
        CodecFactory factory = BY_NAME.get(name);
        if (factory == null) {
            throw new IllegalArgumentException("there is no codec '" + name + "'; there are " + String.join(", ", BY_NAME.keySet()));
        }
        return factory;
    }

    /** @see #create(CodecSpec) */
    public static Codec create(String spec) {
        return create(CodecSpec.parse(spec));
    }

    /**
     * Makes a codec; parameters that the spec leaves out take their defaults.
     *
     * @throws IllegalArgumentException if there is no such codec or parameter, or a value is not allowed
     */
    public static Codec create(CodecSpec spec) {
        CodecFactory factory = factory(spec.name());
        CodecSpec full = CodecSpec.of(spec.name());
        for (CodecParameter parameter : factory.parameters()) {
            full = full.with(parameter.name(), parameter.fallback());
        }
        for (Map.Entry<String, String> entry : spec.parameters().entrySet()) {
            if (!full.parameters().containsKey(entry.getKey())) {
                throw new IllegalArgumentException("codec " + spec.name() + " has no parameter " + entry.getKey() + "; it has "
                        + String.join(", ", full.parameters().keySet()));
            }
            full = full.with(entry.getKey(), entry.getValue());
        }
        for (CodecParameter parameter : factory.parameters()) {
            parameter.check(spec.name(), full.parameters().get(parameter.name()));
        }
        return factory.create(full);
    }
}
