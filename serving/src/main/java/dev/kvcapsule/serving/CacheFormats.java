package dev.kvcapsule.serving;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.serving.llamacpp.BufferFormat;
import dev.kvcapsule.serving.llamacpp.GgsnFormat;
import dev.kvcapsule.serving.llamacpp.GgsqFormat;
import dev.kvcapsule.serving.safetensors.SafetensorsFormat;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;

/** The cache formats there are: found by a file's first bytes, or by the names that options use. */
public final class CacheFormats {
    /** The names {@link #choose} takes. */
    public static final List<String> NAMES = List.of("ggsq2", "ggsq3", "ggsn", "buffer", "safetensors");

    private static final List<CacheFormat> FORMATS = List.of(new GgsqFormat(), new GgsnFormat(), new BufferFormat(), new SafetensorsFormat());

    private CacheFormats() {}

    /** A format and what to write in it. */
    public record Choice(CacheFormat format, CacheTarget target) {}

    /**
     * The format of a file, by its magic.
     *
     * @throws MalformedDataException if it is none of them
     */
    public static CacheFormat detect(MemorySegment file) throws MalformedDataException {
        for (CacheFormat format : FORMATS) {
            if (format.recognises(file)) {
                return format;
            }
        }
        StringBuilder start = new StringBuilder();
        for (int i = 0; i < Math.min(4, file.byteSize()); i++) {
            start.append(String.format(Locale.ROOT, " %02x", file.get(ValueLayout.JAVA_BYTE, i)));
        }
        throw MalformedDataException.at(0, "magic", (start.isEmpty() ? "the file is empty" : "is" + start)
                + ", expected a llama.cpp state (71 73 67 67, "
                + "6e 73 67 67 or d8 3c 14 af) or a safetensors file; a buffer without prefix is read only when its format is named");
    }

    /** Reads a file of whatever format it is. */
    public static KvCache read(MemorySegment file, ModelFacts model) throws MalformedDataException {
        return detect(file).read(file, model);
    }

    /**
     * The format that an option names.
     *
     * @param name ggsq2, ggsq3, ggsq (the version it came in, or the newest), ggsn, buffer or safetensors
     * @param tokens how many tokens to keep; empty for all
     * @throws IllegalArgumentException if there is none of that name
     */
    public static Choice choose(String name, OptionalInt tokens) {
        return switch (name) {
            case "ggsq2" -> new Choice(format(GgsqFormat.NAME), new CacheTarget(OptionalInt.of(2), tokens));
            case "ggsq3" -> new Choice(format(GgsqFormat.NAME), new CacheTarget(OptionalInt.of(3), tokens));
            default -> new Choice(format(name), new CacheTarget(OptionalInt.empty(), tokens));
        };
    }

    /**
     * The format and dialect a cache came in; GGSQ if it does not say.
     *
     * @throws UnsupportedOperationException if that format is not known here
     */
    public static Choice same(CacheLayout layout, OptionalInt tokens) {
        try {
            return choose(layout.origin().getOrDefault("format", GgsqFormat.NAME), tokens);
        } catch (IllegalArgumentException e) {
            throw new UnsupportedOperationException("the cache did not come in a format that can be written; " + e.getMessage(), e);
        }
    }

    /** The format of that {@link CacheFormat#name()}. */
    private static CacheFormat format(String name) {
        for (CacheFormat format : FORMATS) {
            if (format.name().equals(name)) {
                return format;
            }
        }
        throw new IllegalArgumentException("format '" + name + "' is none of " + String.join(", ", NAMES));
    }
}
