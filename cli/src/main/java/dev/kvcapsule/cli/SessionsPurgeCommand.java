package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.sessions.Purge;
import dev.kvcapsule.sessions.row.Session;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** No more of them. */
@Command(name = "purge", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Removes sessions, their history, their capsules and the capsules' keys, for good.", footerHeading = "%nExamples:%n",
        footer = {"  capsule sessions purge train-7", "  capsule sessions purge --expired --older-than 90d", "",
            "Copies of a capsule that lie elsewhere are refused where this key registry is asked. To erase them wherever they are, destroy the tenant's epoch: 'capsule keys revoke'."})
final class SessionsPurgeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "ID", arity = "0..*", description = "The sessions.")
    private List<String> ids = new ArrayList<>();

    @Option(names = "--expired", description = "Those whose time is over.")
    private boolean expired;

    @Option(names = "--older-than", paramLabel = "90d", description = "Those that nobody has changed for so long.", converter = DurationConverter.class)
    private Duration age;

    @Option(names = "--dry-run", description = "Say which, and remove nothing.")
    private boolean dry;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private OwnerOptions options;

    @Override
    public Integer call() throws IOException {
        if (ids.isEmpty() && !expired && age == null) {
            throw new Failures.UsageException("which sessions? Give names, --expired or --older-than");
        }
        try (DatabaseOptions.Sessions sessions = options.existing()) {
            TreeSet<String> wanted = new TreeSet<>();
            for (String id : ids) {
                SessionOptions.required(sessions.store(), id);
                wanted.add(id);
            }
            Instant now = Instant.now();
            if (expired) {
                wanted.addAll(sessions.store().expired(now));
            }
            if (age != null) {
                sessions.store().list(Integer.MAX_VALUE).stream().filter(row -> row.updatedAt().isBefore(now.minus(age))).map(Session::id).forEach(wanted::add);
            }
            purge(sessions, wanted);
        }
        return ExitCode.DONE;
    }

    private void purge(DatabaseOptions.Sessions sessions, TreeSet<String> wanted) throws IOException {
        KeyFolder registry = keys.isKeySet() ? null : keys.open();
        Optional<Purge.Revoker> revoker = registry == null || registry.isEmpty() ? Optional.empty() : Optional.of(registry.lifecycle()::revokeCapsule);
        List<Map<String, Object>> removed = new ArrayList<>();
        for (String id : wanted) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("session", id);
            if (!dry) {
                Purge.Result result = Purge.of(sessions.folder(), id, revoker);
                one.put("traces", result.traces());
                one.put("capsules", result.capsules());
                one.put("revoked", result.revoked().orElse(null));
                one.put("shared_with", result.sharedWith());
            }
            removed.add(one);
            if (!options.json()) {
                options.out().println(id + (dry ? ": would be removed" : ": removed, with " + one.get("capsules") + " capsules"
                        + (one.get("revoked") == null ? "" : ", whose key is destroyed") + (List.of().equals(one.get("shared_with")) ? "" : "; still used by " + one.get("shared_with"))));
            }
        }
        if (!dry && !wanted.isEmpty()) {
            // What they alone went on from.
            sessions.folder().chunks().collect();
        }
        if (options.json()) {
            options.out().println(new JsonReport().put("purged", removed).put("dry_run", dry));
        }
    }
}
