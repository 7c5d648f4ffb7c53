package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.codec.CodecSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The codecs that one line of a plot joins: the same but for the parameters that trade size for damage.
 *
 * @param name codec and its other parameters
 * @param rates names of the parameters in which its members differ, as "bits"; empty if there are none
 */
record CodecFamily(String name, String rates) {
    private static final Set<String> RATES = Set.of("bits", "step", "ratio", "max-error", "rank", "level");
    private static final int DIGEST_DIGITS = 8;

    static CodecFamily of(CodecSpec spec) {
        CodecSpec rest = CodecSpec.of(spec.name());
        List<String> rates = new ArrayList<>();
        for (Map.Entry<String, String> entry : spec.parameters().entrySet()) {
            if (RATES.contains(entry.getKey())) {
                rates.add(entry.getKey());
            } else {
                rest = rest.with(entry.getKey(), entry.getValue());
            }
        }
        return new CodecFamily(shortened(rest), String.join(", ", rates));
    }

    /** What tells a codec from the others of its family: values without names, or the codec's name if there are none. */
    static String member(CodecSpec spec) {
        List<String> values = new ArrayList<>();
        spec.parameters().forEach((name, value) -> {
            if (RATES.contains(name)) {
                values.add(value);
            }
        });
        return values.isEmpty() ? spec.name() : String.join(", ", values);
    }

    /** The codec as a user wrote it, with no more of a digest than tells it from others. */
    static String shortened(CodecSpec spec) {
        String text = spec.toString();
        for (String value : spec.parameters().values()) {
            if (value.matches("[0-9a-f]{64}")) {
                text = text.replace(value, value.substring(0, DIGEST_DIGITS) + "…");
            }
        }
        return text;
    }

    /** Families in the order in which their first members come, with the number that decides colour and marker. */
    static Map<CodecFamily, Integer> numbered(List<Measurement> measurements) {
        Map<CodecFamily, Integer> numbers = new LinkedHashMap<>();
        measurements.forEach(m -> numbers.putIfAbsent(of(m.codec()), numbers.size()));
        return numbers;
    }
}
