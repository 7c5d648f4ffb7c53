package dev.kvcapsule.sessions.permission.kagenti;

import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.Policy;
import dev.kvcapsule.sessions.permission.Ruling;
import dev.kvcapsule.sessions.permission.ToolCall;
import dev.kvcapsule.sessions.permission.platform.BearerToken;
import dev.kvcapsule.sessions.permission.platform.PlatformClient;
import dev.kvcapsule.sessions.permission.platform.PlatformException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One session on a Kagenti platform. At its start, and again once what was found is {@link #FRESH} old, the token is verified, the platform asked for its user's roles, its namespaces and
 * the tools of the tenant. A call is allowed if its tool is one of those and the role that the platform demands of {@code POST /api/v1/tools/NAMESPACE/NAME/invoke}, operator, is the user's
 * by the token and by the platform. Nothing old is used once it is stale.
 */
public final class KagentiPolicy implements Policy {
    /** How long a resolution is used. */
    public static final Duration FRESH = Duration.ofMinutes(30);

    /** How long a failure is: a platform that is down does not hold up each call for its whole time limit. */
    public static final Duration FAILURE_FRESH = Duration.ofSeconds(10);

    private static final int MAX_ANSWER = 1 << 20;

    private final KagentiSettings settings;
    private final InstantSource clock;
    private final PlatformClient client = new PlatformClient(MAX_ANSWER);
    private final TokenVerifier verifier;
    private final ReentrantLock lock = new ReentrantLock();
    private Outcome outcome;

    /** A resolution, or why there is none. */
    private record Outcome(Instant at, Optional<Resolution> resolution, Ruling failure) {
        boolean isFresh(Instant now) {
            // A clock that was set back makes nothing fresh.
            return !now.isBefore(at) && now.isBefore(at.plus(resolution.isPresent() ? FRESH : FAILURE_FRESH));
        }
    }

    /** @param clock that tokens and resolutions age by */
    public KagentiPolicy(KagentiSettings settings, InstantSource clock) {
        this.settings = settings;
        this.clock = clock;
        this.verifier = new TokenVerifier(settings, client, clock);
    }

    @Override
    public Identity start(Identity claimed) {
        return current().resolution().map(Resolution::identity).orElse(claimed);
    }

    @Override
    public Ruling rule(ToolCall call) {
        Outcome current = current();
        return current.resolution().map(resolution -> resolution.rule(call)).orElse(current.failure());
    }

    private Outcome current() {
        lock.lock();
        try {
            if (outcome == null || !outcome.isFresh(clock.instant())) {
                outcome = null;
                outcome = resolve();
            }
            return outcome;
        } finally {
            lock.unlock();
        }
    }

    private Outcome resolve() {
        Instant now = clock.instant();
        try {
            return new Outcome(now, Optional.of(resolution(now)), null);
        } catch (PlatformException e) {
            return new Outcome(now, Optional.empty(), Ruling.deny("kagenti:" + e.code(), e.getMessage()));
        }
    }

    private Resolution resolution(Instant now) throws PlatformException {
        BearerToken token = BearerToken.read(settings.tokenFile());
        VerifiedToken verified = verifier.verify(token);
        String tenant = settings.tenant().name().or(verified::tenant).orElseThrow();
        if (!KagentiApi.isName(tenant)) {
            throw new PlatformException("token", "the tenant is not the name of a namespace");
        }
        KagentiApi api = new KagentiApi(client, settings.url(), token, settings.timeLimit());
        Set<String> roles = api.roles(verified.username());
        if (!api.namespaces().contains(tenant)) {
            throw new PlatformException("refused", "the platform has no enabled namespace " + tenant);
        }
        String operator = settings.rolePrefix() + "-operator";
        boolean mayInvoke = isOperator(roles) && (isOperator(verified.roles()) || verified.realmRoles().contains("admin"));
        Map<String, Set<String>> tools = new LinkedHashMap<>();
        Set<String> silent = new HashSet<>();
        if (mayInvoke) {
            for (String server : api.servers(tenant)) {
                try {
                    tools.put(server, api.tools(tenant, server));
                } catch (PlatformException e) {
                    // One tool that is down does not take the others with it; its own are unknown, and denied.
                    silent.add(server);
                }
            }
        }
        return new Resolution(now, new Identity(verified.username(), Optional.of(tenant)), operator, mayInvoke, tools, silent);
    }

    /** An admin is an operator, too; the realm's role admin becomes the platform's (app/core/auth.py). */
    private boolean isOperator(Set<String> roles) {
        return roles.contains(settings.rolePrefix() + "-operator") || roles.contains(settings.rolePrefix() + "-admin");
    }

    @Override
    public void close() {
        client.close();
    }
}
