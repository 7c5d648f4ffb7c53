package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import dev.kvcapsule.engine.keys.KeyLifecycle;
import dev.kvcapsule.sessions.GatewayNote;
import dev.kvcapsule.sessions.Purge;
import dev.kvcapsule.sessions.SessionFolder;
import dev.kvcapsule.sessions.SessionState;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.store.jdbc.SessionPurges;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
    private static final Duration TIME_LIMIT = Duration.ofMinutes(1);

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
        Optional<KeyLifecycle> revoker = registry == null || registry.isEmpty() ? Optional.empty() : Optional.of(registry.lifecycle());
        List<Map<String, Object>> removed = new ArrayList<>();
        for (String id : wanted) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("session", id);
            if (!dry && options.isLocal()) {
                removeLocal(sessions.folder(), id, revoker, one);
            } else if (!dry) {
                removeOwners(sessions.database().purges(), id, revoker, one);
            }
            removed.add(one);
            if (!options.json()) {
                options.out().println(id + ": " + (dry ? "would be removed" : text(one)));
            }
        }
        if (!dry && options.isLocal() && !wanted.isEmpty()) {
            // What they alone went on from.
            sessions.folder().chunks().collect();
        }
        if (options.json()) {
            options.out().println(new JsonReport().put("purged", removed).put("dry_run", dry));
        }
    }

    private static String text(Map<String, Object> one) {
        return "removed, with " + one.get("capsules") + " capsules" + (one.get("revoked") == null ? "" : ", whose key is destroyed")
                + (List.of().equals(one.getOrDefault("shared_with", List.of())) ? "" : "; still used by " + one.get("shared_with"))
                + switch (one.get("gateway")) {
                    case null -> "";
                    case Long count -> "; " + count + " revoked by the gateway";
                    case Object note -> "; gateway: " + note;
                };
    }

    private void removeLocal(SessionFolder sessions, String id, Optional<KeyLifecycle> revoker, Map<String, Object> one) throws IOException {
        Optional<GatewayNote> gateway = sessions.read(id).flatMap(SessionState::gateway);
        Purge.Result result = Purge.of(sessions, id, revoker.map(registry -> registry::revokeCapsule));
        one.put("traces", result.traces());
        one.put("capsules", result.capsules());
        one.put("revoked", result.revoked().orElse(null));
        one.put("shared_with", result.sharedWith());
        if (gateway.isPresent() && result.sharedWith().isEmpty()) {
            // Capsules of earlier checkpoints: it alone knows their ids. It may share the database.
            sessions.store().pause();
            try (GatewayClient client = SessionOptions.client(gateway.get(), TIME_LIMIT)) {
                one.put("gateway", client.purge(id));
            } catch (GatewayException e) {
                one.put("gateway", e.code());
            } catch (IOException | Failures.UsageException e) {
                one.put("gateway", "no token");
            }
        }
    }

    /** A gateway's user's: what its gateway keeps is not this program's, but it is told, and ends it. */
    private void removeOwners(SessionPurges purges, String id, Optional<KeyLifecycle> revoker, Map<String, Object> one) throws IOException {
        SessionPurges.Removed result = purges.begin(options.owner(), id);
        Set<String> ids = new TreeSet<>();
        purges.begun(options.owner(), id).forEach(begun -> ids.addAll(begun.capsules()));
        if (revoker.isPresent() && !ids.isEmpty()) {
            revoker.get().revokeCapsules(ids);
        }
        one.put("traces", result.traces());
        one.put("capsules", ids.size());
        one.put("revoked", revoker.isPresent() && !ids.isEmpty() ? String.join(",", ids) : null);
        one.put("gateway", "removes what it keeps within ten minutes, or when it starts");
    }
}
