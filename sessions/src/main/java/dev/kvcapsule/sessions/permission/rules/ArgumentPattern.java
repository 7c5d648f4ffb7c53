package dev.kvcapsule.sessions.permission.rules;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * What one argument must be like: one of some globs. Texts are matched as they are, numbers and booleans as JSON writes them, null as {@code null}. Of a list or object all scalars inside
 * are looked at, wherever they are, and which way depends on what the rule does: to deny or ask it is enough that one matches, to allow all must, and there must be one. So nobody
 * slips a path past an allow in a list, or past a deny in an object.
 *
 * @param name of the argument
 * @param values globs of which one has to match
 */
record ArgumentPattern(String name, List<Glob> values) {
    ArgumentPattern {
        values = List.copyOf(values);
    }

    boolean matches(Map<String, Object> arguments, boolean all) {
        if (!arguments.containsKey(name)) {
            return false;
        }
        List<String> scalars = new ArrayList<>();
        collect(arguments.get(name), scalars);
        Stream<String> texts = scalars.stream();
        return all ? !scalars.isEmpty() && texts.allMatch(this::matches) : texts.anyMatch(this::matches);
    }

    private boolean matches(String text) {
        return values.stream().anyMatch(glob -> glob.matches(text));
    }

    /** As deep as {@link dev.kvcapsule.sessions.permission.Arguments} lets values be. */
    private static void collect(Object value, List<String> scalars) {
        switch (value) {
            case Map<?, ?> map -> map.values().forEach(inner -> collect(inner, scalars));
            case List<?> list -> list.forEach(inner -> collect(inner, scalars));
            case null -> scalars.add("null");
            default -> scalars.add(value.toString());
        }
    }
}
