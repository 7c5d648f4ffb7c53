package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.calibration.PartialDescription;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What {@code inspect} shows of partial sums. */
record PartialReport(String file, PartialDescription sums) {
    void print(CommonOptions options) {
        if (options.json()) {
            options.out().println(json());
            return;
        }
        options.out().printf("%s: partial sums for bases of codec %s, %s%n", file, sums.codec(), Sizes.text(sums.bytes()));
        options.out().printf("  digest          %s%n", sums.digest());
        options.out().printf("  tokens          %d of %d caches%n", sums.tokens(), sums.caches());
        options.out().printf("  group           %s%n", sums.layersPerGroup() == 0 ? "all" : sums.layersPerGroup());
        options.out().printf("  weights         %s: %d queries, %d caches probed%n", sums.weights().means().label(), sums.weights().queries(), sums.weights().probes());
        sums.facts().forEach((key, value) -> options.out().printf("  %-15s %s%n", MalformedDataException.oneLine(key), MalformedDataException.oneLine(value)));
        for (PartialDescription.Group group : sums.groups()) {
            options.out().printf(Locale.ROOT, "  %s: %d channels, %d tokens, of %d of them the attention they were paid%n", MalformedDataException.oneLine(group.layers()), group.width(), group.rows(), group.asked());
        }
    }

    private JsonReport json() {
        List<Object> groups = new ArrayList<>();
        for (PartialDescription.Group group : sums.groups()) {
            groups.add(Map.of("layers", group.layers(), "width", group.width(), "rows", group.rows(), "asked", group.asked()));
        }
        return new JsonReport().put("partial", sums.digest()).put("codec", sums.codec()).put("bytes", sums.bytes()).put("facts", sums.facts()).put("tokens", sums.tokens())
                .put("caches", sums.caches()).put("layers_per_group", sums.layersPerGroup()).put("weights", sums.weights().means().label())
                .put("queries", sums.weights().queries()).put("probes", sums.weights().probes()).put("groups", groups);
    }
}
