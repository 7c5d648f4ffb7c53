package dev.kvcapsule.engine.keys;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Ids of revoked capsules as key files list them. A list that is not understood is refused as a whole: to skip an id would be to forget a revocation. */
final class CapsuleIds {
    private static final Pattern ID = Pattern.compile("[0-9a-fA-F]{32}");

    private CapsuleIds() {}

    /**
     * Reads a list.
     *
     * @param value the member's value
     * @return the ids in lower case
     * @throws IllegalArgumentException if it is no list of ids
     */
    static Set<String> of(String member, Object value) {
        if (!(value instanceof List<?> list)) {
            throw new IllegalArgumentException("'" + member + "' is no list of capsules' ids");
        }
        Set<String> ids = new TreeSet<>();
        for (Object element : list) {
            if (!(element instanceof String id) || !ID.matcher(id).matches()) {
                throw new IllegalArgumentException("'" + member + "' holds something that is no capsule's id, which has 32 hexadecimal digits");
            }
            ids.add(id.toLowerCase(Locale.ROOT));
        }
        return ids;
    }
}
