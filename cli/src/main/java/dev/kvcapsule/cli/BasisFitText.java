package dev.kvcapsule.cli;

import dev.kvcapsule.engine.format.BasisFit;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** How well a shared basis suited a cache, for people and for programs. */
final class BasisFitText {
    private BasisFitText() {}

    static String of(BasisFit fit) {
        return String.format(Locale.ROOT, "%.2f%% of the cache, as the codec weighs it, lies outside the basis; of what it was calibrated on %.2f%%", 100 * fit.outside(), 100 * fit.calibrated());
    }

    /** What to do about one that is not good. */
    static String advice() {
        return "it was not made for texts like this one, and the model will miss that at any step: calibrate with such texts as well, take a basis of 'calibrate --group 3', which is less choosy, "
                + "or leave --basis out";
    }

    static Map<String, Object> fields(BasisFit fit) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("outside", fit.outside());
        fields.put("calibrated", fit.calibrated());
        fields.put("good", fit.isGood());
        return fields;
    }
}
