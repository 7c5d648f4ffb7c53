package dev.kvcapsule.serving;

import dev.kvcapsule.engine.cache.Rope;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * RoPE in one line of text: {@code none}, or {@code PAIRING:BASE:CHANNELS[:SCALE[:FACTOR;FACTOR;...]]} with the components of {@link Rope}, such as
 * {@code half-split:1000000:128} or {@code interleaved:100000:64:0.25}.
 */
public final class RopeText {
    private static final String FORM = "expected none or PAIRING:BASE:CHANNELS[:SCALE[:FACTOR;FACTOR;...]], such as interleaved:100000:64";

    private RopeText() {}

    /**
     * @return empty for {@code none}
     * @throws IllegalArgumentException if the text has another form or a component is out of its range
     */
    public static Optional<Rope> parse(String text) {
        if (text.equals("none")) {
            return Optional.empty();
        }
        String[] parts = text.split(":", -1);
        if (parts.length < 3 || parts.length > 5) {
            throw new IllegalArgumentException(FORM);
        }
        try {
            List<Double> factors = new ArrayList<>();
            if (parts.length == 5) {
                for (String factor : parts[4].split(";", -1)) {
                    factors.add(Double.valueOf(factor));
                }
            }
            double scale = parts.length > 3 ? Double.parseDouble(parts[3]) : 1;
            return Optional.of(new Rope(Rope.Pairing.ofLabel(parts[0]), Double.parseDouble(parts[1]), Integer.parseInt(parts[2]), scale, factors));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(FORM, e);
        }
    }

    /** The text of a rotation that {@link #parse} reads back to the last bit. */
    public static String format(Rope rope) {
        String text = rope.pairing().label() + ":" + rope.base() + ":" + rope.dims();
        if (rope.factors().isEmpty()) {
            return rope.scale() == 1 ? text : text + ":" + rope.scale();
        }
        return text + ":" + rope.scale() + ":" + rope.factors().stream().map(String::valueOf).collect(Collectors.joining(";"));
    }
}
