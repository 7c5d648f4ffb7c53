package dev.kvcapsule.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** {@code key=value,key=value}: what {@code --scope} and {@code --as} take. */
final class Pairs {
    private final String option;
    private final Map<String, String> values = new LinkedHashMap<>();

    /** @throws Failures.UsageException if it is not of that form, or names something else than {@code keys} */
    Pairs(String option, String text, List<String> keys) {
        this.option = option;
        for (String pair : text.split(",")) {
            int equals = pair.indexOf('=');
            String key = equals < 0 ? pair : pair.substring(0, equals);
            if (equals < 0 || equals == pair.length() - 1 || !keys.contains(key) || values.put(key, pair.substring(equals + 1)) != null) {
                throw new Failures.UsageException(option + " takes " + String.join("=..,", keys) + "=.., not '" + text + "'");
            }
        }
    }

    String required(String key) {
        return optional(key).orElseThrow(() -> new Failures.UsageException(option + " says no " + key + "="));
    }

    Optional<String> optional(String key) {
        return Optional.ofNullable(values.get(key));
    }
}
